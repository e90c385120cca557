"""The doors: HTTP, sockets and the web client; they verify, parse and call."""
