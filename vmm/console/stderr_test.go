package console

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// reader is a writer whose other end takes its time over each write.
type reader struct {
	bytes.Buffer
	takes time.Duration
}

func (r *reader) Write(p []byte) (int, error) {
	time.Sleep(r.takes)
	return r.Buffer.Write(p)
}

func TestMessagesAreWrittenWhenWriteReturns(t *testing.T) {
	var b bytes.Buffer
	s := NewStderr(&b)
	for _, text := range []string{"one\n", "two\n"} {
		if n, err := io.WriteString(s, text); n != len(text) || err != nil || !strings.HasSuffix(b.String(), text) {
			t.Errorf("%q: %d, %v, and written is %q", text, n, err, &b)
		}
	}
}

func TestASlowReaderHoldsWritersUpAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{takes: patience - 1}
		s := NewStderr(r)
		begun := time.Now()
		for _, text := range []string{"one\n", "two\n", "three\n"} {
			io.WriteString(s, text)
		}
		if took := time.Since(begun); r.String() != "one\ntwo\nthree\n" || took != 3*r.takes {
			t.Errorf("after %v written is %q", took, r)
		}
	})
}

func TestAReaderThatDoesNotReadHoldsNobodyUpForLongAndIsToldWhatItMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{takes: time.Hour}
		s := NewStderr(r)
		begun := time.Now()
		for _, text := range []string{"one\n", "two\n", "three\n"} {
			if n, err := io.WriteString(s, text); n != len(text) || err != nil {
				t.Errorf("%q: %d, %v", text, n, err)
			}
		}
		if took := time.Since(begun); took != patience {
			t.Errorf("three messages took %v", took)
		}
		time.Sleep(time.Hour) // it reads
		synctest.Wait()
		r.takes = 0
		io.WriteString(s, "four\n")
		io.WriteString(s, "five\n")
		const want = "one\nhfvmm: 2 messages are lost here, because nobody read them\nfour\nfive\n"
		if r.String() != want {
			t.Errorf("written is %q, want %q", r, want)
		}
	})
}

func TestWriteTellsThatNobodyWillEverRead(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if _, err := io.WriteString(NewStderr(w), "text\n"); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}
