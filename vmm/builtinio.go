package vmm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hfvmm/hfvmm/vmm/scheduler"
)

// The console of the built-in scheduler: a line that comes in is a message to the first secondary, a message
// to the scheduler is a line that goes out.

// lines cuts the input at its newlines, ahead of the scheduler.
type lines struct {
	queue chan []byte // closed at the end of the input
	taken int         // lines that the scheduler took
}

// linesAhead is how many lines wait for the scheduler before the input waits.
const linesAhead = 16

// Line implements scheduler.Console.
func (b *builtin) Line() (line []byte, ended bool) {
	select {
	case line, ok := <-b.input.queue:
		if ok {
			b.input.taken++
		}
		return line, !ok
	default:
		return nil, false
	}
}

// feed gives the scheduler the lines of what comes from the channel, until that is closed.
func (b *builtin) feed(from <-chan []byte) {
	var rest []byte // of the line that has begun
	for n := 1; ; {
		i := bytes.IndexByte(rest, '\n')
		if i > scheduler.MaxMessage || i < 0 && len(rest) > scheduler.MaxMessage {
			b.m.end(BadInput, fmt.Errorf("line %d of the input has more than the %d bytes of a message; make it shorter", n, scheduler.MaxMessage))
			return
		}
		if i < 0 {
			select {
			case more, ok := <-from:
				if ok {
					rest = append(rest, more...)
					continue
				}
				if len(rest) > 0 { // a last line without an end
					b.line(rest)
				}
				b.endInput()
			case <-b.m.stopped:
			}
			return
		}
		if !b.line(rest[:i:i]) {
			return
		}
		rest, n = rest[i+1:], n+1
	}
}

func (b *builtin) endInput() {
	close(b.input.queue)
	b.program.Interrupt()
}

// line gives the scheduler a line and reports whether the machine goes on.
func (b *builtin) line(text []byte) bool {
	select {
	case b.input.queue <- text:
		b.program.Interrupt()
		return true
	case <-b.m.stopped:
		return false
	}
}

// answers writes messages as lines, one after the other.
type answers struct {
	w       io.Writer
	text    [scheduler.MaxMessage + 1]byte
	size    chan int    // of a text to write
	writing atomic.Bool // text is in use
	done    chan struct{}
	err     error // of the first write that failed; valid once done is closed

	mu    sync.Mutex // held while the scheduler is told that a text is written
	ended bool       // there is no scheduler to be told
}

func (b *builtin) openOutput() {
	b.output.w, b.output.size, b.output.done = b.m.cfg.ConsoleOut, make(chan int, 1), make(chan struct{})
}

// Answer implements scheduler.Console.
func (b *builtin) Answer(message []byte) (taken bool) {
	a := &b.output
	if a.writing.Load() {
		return false
	}
	a.writing.Store(true)
	n := copy(a.text[:], message)
	a.text[n] = '\n'
	a.size <- n + 1
	return true
}

// Flushed implements scheduler.Console.
func (b *builtin) Flushed() bool { return !b.output.writing.Load() }

// write writes the texts until there are no more. After the first error they are thrown away: whoever gave the
// writer is told by the writer that nobody reads any more.
func (b *builtin) write() {
	a := &b.output
	defer close(a.done)
	for n := range a.size {
		if a.err == nil {
			_, a.err = a.w.Write(a.text[:n])
		}
		a.writing.Store(false)
		a.mu.Lock()
		if !a.ended {
			b.program.Interrupt()
		}
		a.mu.Unlock()
	}
}

// closeOutput waits for the last text to be written, or for ctx. All CPUs have ended, and the machine is not touched
// any more: the write may last longer.
func (b *builtin) closeOutput(ctx context.Context) error {
	a := &b.output
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
	close(a.size)
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return errors.New("nobody reads it")
	}
}
