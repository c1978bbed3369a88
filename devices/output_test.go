package devices

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a writer that waits until it is opened.
type gate struct {
	bytes.Buffer
	open chan struct{}
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.Buffer.Write(p)
}

func TestOutputKeepsTheOrderOfAllBytes(t *testing.T) {
	var got bytes.Buffer
	o := NewOutput(&got)
	var want []byte
	space := make(chan struct{}, 1)
	o.onRoom(func() { space <- struct{}{} })
	for i := range 3*OutputSize + 17 {
		b := byte(i * 7)
		want = append(want, b)
		for !o.put(b) {
			<-space
		}
	}
	if err := o.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes arrived, not the %d that were put, or in another order", got.Len(), len(want))
	}
}

func TestOutputRefusesBytesWhenFullAndTellsOfRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		o := NewOutput(g)
		var told atomic.Int32
		o.onRoom(func() { told.Add(1) })
		for i := range OutputSize {
			if !o.put('x') {
				t.Fatalf("byte %d was refused", i)
			}
		}
		if o.put('y') {
			t.Fatal("a full buffer took a byte")
		}
		synctest.Wait()
		if told.Load() != 0 {
			t.Fatal("told of room while there is none")
		}
		close(g.open)
		synctest.Wait()
		if told.Load() != 1 {
			t.Errorf("told %d times of room, want once", told.Load())
		}
		if !o.put('z') {
			t.Error("an empty buffer refused a byte")
		}
		if err := o.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g.Len() != OutputSize+1 {
			t.Errorf("%d bytes arrived", g.Len())
		}
	})
}

func TestFlushWaitsForTheWriterButNotLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		o := NewOutput(g)
		o.put('x')
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := o.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush behind a stuck writer: %v", err)
		}
		if err := o.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close behind a stuck writer: %v", err)
		}
		close(g.open)
		if err := o.Flush(t.Context()); err != nil || g.String() != "x" {
			t.Errorf("Flush: %v with %q written", err, g.String())
		}
		if err := o.Close(t.Context()); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestOutputAfterAnErrorSwallowsBytesAndReportsIt(t *testing.T) {
	o := NewOutput(failing{})
	for range 3 * OutputSize {
		for !o.put('x') {
			time.Sleep(time.Millisecond)
		}
	}
	if err := o.Flush(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Flush: %v", err)
	}
	if err := o.Close(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Close: %v", err)
	}
}

func TestClosedOutputCallsNobodyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		o := NewOutput(g)
		var told atomic.Int32
		o.onRoom(func() { told.Add(1) })
		for o.put('x') {
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := o.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close behind a stuck writer: %v", err)
		}
		close(g.open)
		synctest.Wait()
		if n := told.Load(); n != 0 {
			t.Errorf("told %d times of room after Close", n)
		}
	})
}

func TestCloseWaitsForACallThatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		o := NewOutput(g)
		goOn := make(chan struct{})
		o.onRoom(func() { <-goOn })
		for o.put('x') {
		}
		close(g.open)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		closed := make(chan struct{})
		go func() {
			_ = o.Close(ctx)
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close has returned from a call that has not")
		default:
		}
		close(goOn)
		<-closed
	})
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestClosedOutputSwallowsBytes(t *testing.T) {
	var got bytes.Buffer
	o := NewOutput(&got)
	o.put('a')
	if err := o.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !o.put('b') || got.String() != "a" {
		t.Errorf("wrote %q", got.String())
	}
}
