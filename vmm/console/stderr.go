package console

import (
	"bytes"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Stderr is standard error as messages are written to it. While the terminal is raw, a line feed no longer
// returns the carriage, so every "\n" then goes out as "\r\n".
type Stderr struct {
	mu  sync.Mutex
	w   io.Writer
	raw bool
	buf []byte
}

// NewStderr returns a Stderr that writes to w.
func NewStderr(w io.Writer) *Stderr { return &Stderr{w: w} }

// Write writes p at once, so that lines of different writers do not mix.
func (s *Stderr) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.raw {
		return s.w.Write(p)
	}
	s.buf = s.buf[:0]
	for rest := p; len(rest) > 0; {
		line, after, found := bytes.Cut(rest, []byte{'\n'})
		s.buf = append(s.buf, line...)
		if found {
			s.buf = append(s.buf, '\r', '\n')
		}
		rest = after
	}
	if _, err := s.w.Write(s.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// setRaw says whether the terminal is raw.
func (s *Stderr) setRaw(raw bool) {
	s.mu.Lock()
	s.raw = raw
	s.mu.Unlock()
}

// IsTerminal reports whether messages go to a terminal.
func (s *Stderr) IsTerminal() bool {
	f, ok := s.w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
