"""What supervisor and workers say to each other, and the socket they say it on."""
