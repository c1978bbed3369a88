package console

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// checkCloseEndsRead checks that a Read that waits ends with io.EOF when the port is closed.
func checkCloseEndsRead(t *testing.T, p Port) {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 1))
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("Read ended before Close: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	p.Close()
	select {
	case err := <-ended:
		if err != io.EOF {
			t.Errorf("Read: %v, want EOF", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close does not end Read")
	}
}

// checkCloseEndsWrite checks that a Write that nobody takes ends when the port is closed.
func checkCloseEndsWrite(t *testing.T, p Port) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range 1000 {
			if _, err := p.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}()
	select {
	case <-ended:
		t.Fatal("4 MB went to somebody who does not read")
	case <-time.After(50 * time.Millisecond):
	}
	p.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("Close does not end Write")
	}
}

// pipes opens the port of a process whose standard input and output are pipes.
func pipes(t *testing.T) (p Port, in, out *os.File) {
	t.Helper()
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err = Open(Spec{}, Streams{In: stdin, Out: stdout, Err: NewStderr(io.Discard)}, func(error) { t.Error("quit") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		for _, f := range []*os.File{stdin, in, stdout, out} {
			f.Close()
		}
	})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p, in, out
}

func TestAPipeCarriesEveryByteAndEnds(t *testing.T) {
	p, in, out := pipes(t)
	want := "\x01x\x01h\x00\xff\r\n"
	in.WriteString(want)
	in.Close()
	if got, err := io.ReadAll(p); err != nil || string(got) != want {
		t.Errorf("guest got %q, %v, want %q", got, err, want)
	}
	if n, err := p.Write([]byte(want)); n != len(want) || err != nil {
		t.Errorf("Write: %d, %v", n, err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(out, got); err != nil || string(got) != want {
		t.Errorf("output is %q, %v, want %q", got, err, want)
	}
}

func TestReadOfAPipeEndsWithClose(t *testing.T) {
	p, _, _ := pipes(t)
	checkCloseEndsRead(t, p)
}

func TestAWriteToAFullPipeEndsWithClose(t *testing.T) {
	p, _, _ := pipes(t)
	checkCloseEndsWrite(t, p)
}

func TestNullTakesAllAndGivesNothing(t *testing.T) {
	p, err := Open(Spec{Kind: Null}, Streams{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if n, err := p.Write([]byte("abc")); n != 3 || err != nil {
		t.Errorf("Write: %d, %v", n, err)
	}
	if n, err := p.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read: %d, %v, want EOF", n, err)
	}
}

func TestAFileHoldsWhatTheGuestSentLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "serial")
	if err := os.WriteFile(path, []byte("of a run before"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Open(Spec{Kind: File, Path: path}, Streams{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("hello\n")); err != nil {
		t.Error(err)
	}
	if n, err := p.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read: %d, %v, want EOF", n, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "hello\n" {
		t.Errorf("file holds %q, %v", got, err)
	}
}

func TestAFileThatCannotBeWrittenIsNamed(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(Spec{Kind: File, Path: dir}, Streams{}, nil)
	if want := `cannot write the serial line to "` + dir + `": is a directory; give the path of a file that you may write`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestStderrReturnsTheCarriageOnARawTerminal(t *testing.T) {
	var b bytes.Buffer
	s := NewStderr(&b)
	write := func(text string) {
		t.Helper()
		if n, err := s.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("Write(%q): %d, %v", text, n, err)
		}
	}
	write("a\nb")
	s.setRaw(true)
	write("c\n\nd")
	write("\ne\n")
	s.setRaw(false)
	write("f\n")
	if want := "a\nbc\r\n\r\nd\r\ne\r\nf\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
