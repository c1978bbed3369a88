package console

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
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

// ErrQuit is why a run ends when its user wants that.
var ErrQuit = errors.New("quit by the user")

// Open opens the port that spec describes. quit is called with the reason why the run is to end, and must not wait for
// Close: ErrQuit when the user asks for it at the terminal or stops reading standard output, another error when
// what the guest sends cannot be written. Errors name the path and say how to mend it.
func Open(spec Spec, s Streams, quit func(why error)) (Port, error) {
	switch spec.Kind {
	case Stdio:
		return newStdio(s, quit)
	case File:
		return openFile(spec.Path, quit)
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
	f    *os.File
	quit func(why error)
}

func openFile(path string, quit func(why error)) (Port, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("cannot write the serial line to %q: %w; give the path of a file that you may write", path, errors.Unwrap(err)) // of the *fs.PathError, which names the path again
	}
	return &file{f: f, quit: quit}, nil
}

func (p *file) Close() error { return p.f.Close() }

// Write quits when the file takes no more: the rest of what the guest sends would be missing.
func (p *file) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	if why := whyQuit(strconv.Quote(p.f.Name()), err); why != nil {
		p.quit(why)
	}
	return n, err
}

// whyQuit is why a run ends after a write to that place, or nil if it does not.
func whyQuit(place string, err error) error {
	switch {
	case err == nil, errors.Is(err, os.ErrClosed): // by Close
		return nil
	case errors.Is(err, syscall.EPIPE): // nobody would see what the guest does
		return ErrQuit
	}
	return fmt.Errorf("cannot write the serial line to %s: %w; make room there or choose another place with --serial", place, errors.Unwrap(err)) // of the error that names it again
}
