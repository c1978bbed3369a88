package console

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func openSocket(t *testing.T) (p Port, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	p, err := Open(Spec{Kind: Unix, Path: path}, Streams{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, path
}

func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// say sends text from c and checks that it is what p reads.
func say(t *testing.T, c net.Conn, p Port, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(p, got); err != nil || string(got) != text {
		t.Fatalf("guest got %q, %v, want %q", got, err, text)
	}
}

func TestASocketServesOneClientAfterTheOther(t *testing.T) {
	p, path := openSocket(t)
	if n, err := p.Write([]byte("nobody hears this")); n != 17 || err != nil {
		t.Errorf("Write without a client: %d, %v", n, err)
	}
	first := dial(t, path)
	say(t, first, p, "first")
	second := dial(t, path) // waits
	if _, err := second.Write([]byte("second")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("to the first")); err != nil {
		t.Fatal(err)
	}
	first.(*net.UnixConn).CloseWrite()
	got := make([]byte, 6)
	if _, err := io.ReadFull(p, got); err != nil || string(got) != "second" {
		t.Fatalf("guest got %q, %v from the second client", got, err)
	}
	if all, err := io.ReadAll(first); err != nil || string(all) != "to the first" {
		t.Errorf("the first client got %q, %v", all, err)
	}
	if _, err := p.Write([]byte("to the second")); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if all, err := io.ReadAll(second); err != nil || string(all) != "to the second" {
		t.Errorf("the second client got %q, %v", all, err)
	}
}

func TestCloseRemovesTheSocket(t *testing.T) {
	p, path := openSocket(t)
	c := dial(t, path)
	say(t, c, p, "x")
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close there is still %s: %v", path, err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client reads %v, want EOF", err)
	}
}

func TestReadOfASocketEndsWithClose(t *testing.T) {
	t.Run("without a client", func(t *testing.T) {
		p, _ := openSocket(t)
		checkCloseEndsRead(t, p)
	})
	t.Run("with a client", func(t *testing.T) {
		p, path := openSocket(t)
		say(t, dial(t, path), p, "x")
		checkCloseEndsRead(t, p)
	})
}

func TestAWriteToAClientThatDoesNotReadEndsWithClose(t *testing.T) {
	p, path := openSocket(t)
	say(t, dial(t, path), p, "x")
	checkCloseEndsWrite(t, p)
}

func TestASocketThatAKilledProcessLeftIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	p, err := Open(Spec{Kind: Unix, Path: path}, Streams{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	say(t, dial(t, path), p, "x")
}

func TestASocketThatCannotBeIsNamedWithARemedy(t *testing.T) {
	dir := t.TempDir()
	_, used := openSocket(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		used:                              "address already in use; remove it or choose another path",
		file:                              "address already in use; remove it or choose another path",
		filepath.Join(dir, "gone", "s"):   "no such file or directory; choose a path in a directory",
		dir + strings.Repeat("/long", 40): "invalid argument; choose a path shorter than 108 bytes",
	} {
		_, err := Open(Spec{Kind: Unix, Path: path}, Streams{}, nil)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q and %q", err, path, says)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file that was in the way holds %q, %v", b, err)
	}
}
