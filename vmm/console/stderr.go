package console

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// Stderr is standard error as messages are written to it. While the terminal is raw, a line feed no longer
// returns the carriage, so every "\n" then goes out as "\r\n".
//
// Whoever writes may be a pCPU with a message of its guest, so nobody waits longer than patience for a reader that does
// not read. From then on messages are lost, until it does; the next one says how many.
type Stderr struct {
	mu    sync.Mutex
	w     io.Writer
	raw   bool
	stuck <-chan error // ends the write that outlasted patience; nil if there is none
	lost  int          // messages since then
}

// patience is how long a message waits for its reader.
const patience = 2 * time.Second

// NewStderr returns a Stderr that writes to w.
func NewStderr(w io.Writer) *Stderr { return &Stderr{w: w} }

// Write writes p at once, so that lines of different writers do not mix. A message that is lost is no error.
func (s *Stderr) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck != nil {
		select {
		case <-s.stuck:
			s.stuck = nil
		default:
			s.lost++
			return len(p), nil
		}
	}
	text, written := s.text(p), make(chan error, 1)
	go func() {
		_, err := s.w.Write(text)
		written <- err
	}()
	select {
	case err := <-written:
		if err != nil {
			return 0, err
		}
	case <-time.After(patience):
		s.stuck = written
	}
	return len(p), nil
}

// text is what is written for p, in memory of its own.
func (s *Stderr) text(p []byte) (text []byte) {
	if s.lost > 0 {
		text = fmt.Appendf(text, "hfvmm: %d messages are lost here, because nobody read them\n", s.lost)
		s.lost = 0
	}
	text = append(text, p...)
	if s.raw {
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	}
	return text
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
