package vmm

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// raiser raises the SDEI events that a primary asks for: a line "raise EVENT CPU" on its console. When that is done, it
// types a line feed.
type raiser struct {
	io.Writer // the console
	line      []byte
	asked     chan asked

	in    *io.PipeReader // what it types
	typed *io.PipeWriter
}

type asked struct {
	event uint32
	cpu   int
}

func newRaiser(console io.Writer) *raiser {
	r := &raiser{Writer: console, asked: make(chan asked)}
	r.in, r.typed = io.Pipe()
	return r
}

// Write implements io.Writer.
func (r *raiser) Write(b []byte) (int, error) {
	r.line = append(r.line, b...)
	for {
		line, rest, whole := bytes.Cut(r.line, []byte("\r\n"))
		if !whole {
			return r.Writer.Write(b)
		}
		r.line = rest
		var a asked
		if n, _ := fmt.Sscanf(string(line), "raise %d %d", &a.event, &a.cpu); n == 2 {
			r.asked <- a
		}
	}
}

// serve does what is asked until the function that it returns is called.
func (r *raiser) serve(t *testing.T, m *Machine) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case a := <-r.asked:
				if err := m.RaiseEvent("primary", a.cpu, a.event); err != nil {
					t.Errorf("raise event %#x on CPU %d: %v", a.event, a.cpu, err)
				}
				_, _ = r.typed.Write([]byte{'\n'}) // fails if the machine has ended
			case <-done:
				return
			}
		}
	}()
	return func() {
		r.in.Close()
		close(done)
		<-ended
	}
}
