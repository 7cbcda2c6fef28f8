"""One of several workers: started by the supervisor, never by hand; see `server.child`."""

from server.app import keep_for_good, working
from server.child import run_child

if __name__ == "__main__":
    run_child(working, keep_for_good)
