"""The door to the outside: HTTP interface, nurse workbench, store and command line."""
