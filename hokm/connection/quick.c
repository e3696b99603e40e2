/* What every message of a player takes, in C: reading its frame, and handing frames to the kernel.
 *
 * The same as hokm.connection.frames.read_text and hokm.transports.send_some, which stand in where
 * hokm is not compiled; tests/properties/test_quick.py compares them. Part of no build but a wheel's.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <sys/socket.h>

static const int FINAL_TEXT = 0x81;
static const int MASKED = 0x80;
static const Py_ssize_t MAX_SHORT = 125; /* bytes of payload that a two-byte header can tell */
static const Py_ssize_t SIXTEEN_BITS = 126;

/* Return whether an argument is bytes; 0 with an exception set where it is not. */
static int is_bytes(PyObject *argument)
{
    if (PyBytes_CheckExact(argument))
        return 1;
    PyErr_SetString(PyExc_TypeError, "bytes wanted");
    return 0;
}

/* Return whether there are as many arguments as wanted; 0 with an exception set where not. */
static int is_count(Py_ssize_t given, Py_ssize_t wanted)
{
    if (given == wanted)
        return 1;
    PyErr_SetString(PyExc_TypeError, "another number of arguments wanted");
    return 0;
}

/* Return whether *text* is UTF-8; -1, with an exception set, where there is no memory to tell. */
static int is_utf8(const char *text, Py_ssize_t size)
{
    PyObject *decoded = PyUnicode_DecodeUTF8(text, size, "strict");
    if (decoded != NULL) {
        Py_DECREF(decoded);
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
        return -1;
    PyErr_Clear();
    return 0;
}

/* Return the payload, unmasked; NULL without an exception where it is not UTF-8. */
static PyObject *unmasked(const unsigned char *mask, const unsigned char *body, Py_ssize_t size)
{
    PyObject *payload = PyBytes_FromStringAndSize(NULL, size);
    if (payload == NULL)
        return NULL;
    unsigned char *text = (unsigned char *)PyBytes_AS_STRING(payload), all = 0;
    for (Py_ssize_t i = 0; i < size; i++) {
        text[i] = body[i] ^ mask[i & 3];
        all |= text[i];
    }
    if (all & 0x80 && is_utf8((const char *)text, size) != 1)
        Py_CLEAR(payload);
    return payload;
}

/* read_text(data, start, limit): see hokm.connection.frames. */
static PyObject *read_text(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (!is_count(count, 3) || !is_bytes(arguments[0]))
        return NULL;
    Py_ssize_t start = PyLong_AsSsize_t(arguments[1]), limit = PyLong_AsSsize_t(arguments[2]);
    if (PyErr_Occurred())
        return NULL;
    const unsigned char *data = (const unsigned char *)PyBytes_AS_STRING(arguments[0]);
    Py_ssize_t end = PyBytes_GET_SIZE(arguments[0]);
    if (start < 0 || start > end)
        Py_RETURN_NONE;
    Py_ssize_t left = end - start;
    if (left < 6 || data[start] != FINAL_TEXT || !(data[start + 1] & MASKED))
        Py_RETURN_NONE;
    Py_ssize_t size = data[start + 1] & ~MASKED, head = start + 2;
    if (size == SIXTEEN_BITS && left >= 8) {
        size = data[head] << 8 | data[head + 1];
        head += 2;
        if (size <= MAX_SHORT)
            Py_RETURN_NONE;
    } else if (size >= SIXTEEN_BITS) {
        Py_RETURN_NONE;
    }
    Py_ssize_t body = head + 4; /* at most `end`: there are 6 bytes, or 8 with a long length */
    if (size > end - body || size > limit)
        Py_RETURN_NONE;
    PyObject *payload = unmasked(data + head, data + body, size);
    if (payload == NULL) {
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    PyObject *next = PyLong_FromSsize_t(body + size), *found = PyTuple_New(2);
    if (next == NULL || found == NULL) {
        Py_DECREF(payload);
        Py_XDECREF(next);
        Py_XDECREF(found);
        return NULL;
    }
    PyTuple_SET_ITEM(found, 0, payload);
    PyTuple_SET_ITEM(found, 1, next);
    return found;
}

/* send_some(fd, data): see hokm.transports. It keeps the interpreter's lock: it never waits. */
static PyObject *send_some(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (!is_count(count, 2) || !is_bytes(arguments[1]))
        return NULL;
    long fd = PyLong_AsLong(arguments[0]);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    const char *data = PyBytes_AS_STRING(arguments[1]);
    ssize_t sent = send((int)fd, data, (size_t)PyBytes_GET_SIZE(arguments[1]), MSG_DONTWAIT | MSG_NOSIGNAL);
    return PyLong_FromSsize_t(sent < 0 ? 0 : sent);
}

static PyMethodDef methods[] = {
    {"read_text", (PyCFunction)(void (*)(void))read_text, METH_FASTCALL, NULL},
    {"send_some", (PyCFunction)(void (*)(void))send_some, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "hokm.connection._quick", .m_size = 0, .m_methods = methods,
};

PyMODINIT_FUNC PyInit__quick(void)
{
    return PyModuleDef_Init(&definition);
}
