"""Documents of any type to text: sniffed, read in a process that can be killed, with pages, reader and doubts named."""
