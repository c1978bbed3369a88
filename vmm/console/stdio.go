package console

import (
	"os"

	"golang.org/x/term"
)

// newStdio returns the line on standard input and output: a terminal if standard input is one
// and is to give keys.
func newStdio(s Streams, quit func(why error)) (Port, error) {
	wake, err := newWaker()
	if err != nil {
		return nil, err
	}
	p := &stdio{in: s.In, out: s.Out, wake: wake, quit: quit}
	if s.Lines || !term.IsTerminal(int(s.In.Fd())) {
		return p, nil
	}
	return newTerminal(p, s.Err), nil
}

// stdio is standard input and output as they are, byte for byte.
type stdio struct {
	in, out *os.File
	wake    *waker
	quit    func(why error)
}

func (p *stdio) Start() error               { return nil }
func (p *stdio) Read(b []byte) (int, error) { return p.wake.read(p.in, b) }
func (p *stdio) Close() error               { return p.wake.Close() }

// Write quits when standard output takes no more.
func (p *stdio) Write(b []byte) (int, error) {
	n, err := p.wake.write(p.out, b)
	if why := whyQuit("standard output", err); why != nil {
		p.quit(why)
	}
	return n, err
}
