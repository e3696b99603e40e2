"""Several instances on one store, the pure part: leases, and which instance a room is sought on.

Nothing here knows a clock, a socket or a store: times are arguments, decisions are values.
"""

from hokm.fleet.lease import Lease as Lease
from hokm.fleet.member import Member as Member
from hokm.fleet.member import State as State
from hokm.fleet.route import Here as Here
from hokm.fleet.route import Nowhere as Nowhere
from hokm.fleet.route import Owner as Owner
from hokm.fleet.route import Route as Route
from hokm.fleet.route import There as There
from hokm.fleet.route import Wait as Wait
from hokm.fleet.route import choose as choose
