// Package console is the host's end of the primary's serial line: the terminal with its escape keys,
// a file, a Unix socket, or nothing.
//
// It may know the operating system's terminals, pipes and sockets. It may not know the machine: the
// other end of the line is whoever reads and writes a [Port].
package console
