package console

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Port is the host's end of a serial line.
//
// Read gives what comes from outside, and io.EOF once nothing more can come. Write takes what the
// guest sends. Both may block, and Close unblocks them; it also undoes all that Open and Start did
// to the terminal and the file system. Any goroutine may call Close, more than once.
type Port interface {
	io.ReadWriteCloser

	// Start is called once, when the line is about to come alive. From here on keys are taken off
	// the terminal, if the port is one.
	Start() error
}

// Streams are the standard streams of the process.
type Streams struct {
	In, Out *os.File
	Err     *Stderr

	// Lines leaves a terminal as it is: it gives whole lines, and its signals and its end of file work.
	Lines bool
}

// Open opens the port that spec describes. quit is called when the user asks to quit at the terminal,
// or stops reading standard output; it must not wait for Close. Errors name the path and say how to mend it.
func Open(spec Spec, s Streams, quit func()) (Port, error) {
	switch spec.Kind {
	case Stdio:
		return newStdio(s, quit)
	case File:
		return openFile(spec.Path)
	case Unix:
		return listen(spec.Path)
	case Null:
		return null{}, nil
	}
	return nil, fmt.Errorf("serial port of kind %d", spec.Kind)
}

// null is a line that nobody is connected to.
type null struct{}

func (null) Start() error                { return nil }
func (null) Read([]byte) (int, error)    { return 0, io.EOF }
func (null) Write(p []byte) (int, error) { return len(p), nil }
func (null) Close() error                { return nil }

// file is a line whose output is kept.
type file struct {
	null
	f *os.File
}

func openFile(path string) (Port, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("cannot write the serial line to %q: %w; give the path of a file that you may write", path, errors.Unwrap(err)) // of the *fs.PathError, which names the path again
	}
	return &file{f: f}, nil
}

func (p *file) Write(b []byte) (int, error) { return p.f.Write(b) }
func (p *file) Close() error                { return p.f.Close() }
