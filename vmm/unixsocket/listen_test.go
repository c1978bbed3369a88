package unixsocket

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestSocketIsTheUsersAloneAndGoesWithItsListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Lstat(path)
	if err != nil || st.Mode() != os.ModeSocket|0o600 {
		t.Errorf("mode %v, error %v", st.Mode(), err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove it or choose another path") {
		t.Errorf("second listener: %v", err)
	}
	l.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// abandon leaves a socket at path that nobody listens at.
func abandon(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestOfThoseThatListenAtOnceOneHasThePath(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		path := filepath.Join(dir, strconv.Itoa(i))
		if i%2 == 0 {
			abandon(t, path)
		}
		var all sync.WaitGroup
		var have atomic.Int32
		for range 4 {
			all.Go(func() {
				if l, err := Listen(path); err == nil {
					t.Cleanup(func() { l.Close() })
					have.Add(1)
				}
			})
		}
		all.Wait()
		if n := have.Load(); n != 1 {
			t.Fatalf("%d listen at one path", n)
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

func TestFolderThatSomebodyLocksForEverHoldsNobodyUp(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestSocketThatNobodyListensAtIsReplacedAndAFileIsNot(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	abandon(t, stale)
	l, err := Listen(stale)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(file); err == nil {
		t.Error("listens in place of a file")
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file holds %q", b)
	}
	for path, remedy := range map[string]string{
		filepath.Join(dir, "no", "such", "s"):        "directory that you may write",
		filepath.Join(dir, strings.Repeat("x", 120)): "shorter than 108 bytes",
	} {
		if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
