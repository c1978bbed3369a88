package debian

import (
	"archive/tar"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The stand-ins for apt and dpkg serve the package tool 1.0, which depends on libfoo, from a tar
// archive each, and write down when they are called.
const (
	fakeGet = `#!/bin/sh
echo "$*" >> "$FAKE/calls"
case "$*" in
*" update "*)
	[ ! -p "$FAKE/slow" ] || cat "$FAKE/slow"
	[ ! -e "$FAKE/offline" ] || { echo 'E: no network' >&2; exit 100; } ;;
*" install "*)
	echo "'http://mirror.example/libfoo.deb' libfoo_1%3a2_all.deb 10 SHA256:0"
	echo "'http://mirror.example/tool.deb' tool_1.0_amd64.deb 10 SHA256:0" ;;
*" download "*) for p in libfoo tool; do cp "$FAKE/$p.tar" "${p}_1_all.deb"; done ;;
esac
`
	fakeDpkg = `#!/bin/sh
exec cat "$2"
`
)

// rig prepares stand-ins and a cache in empty folders.
func rig(t *testing.T) (*Cache, string) {
	t.Helper()
	if _, err := os.Stat(keyring); err != nil {
		t.Skip(err)
	}
	fake := t.TempDir()
	for name, text := range map[string]string{"apt-get": fakeGet, "apt-cache": "#!/bin/sh\n", "dpkg-deb": fakeDpkg} {
		if err := os.WriteFile(filepath.Join(fake, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tarball(t, filepath.Join(fake, "libfoo.tar"), map[string]string{"./usr/lib/x86_64-linux-gnu/libfoo.so.1": "library"})
	tarball(t, filepath.Join(fake, "tool.tar"), map[string]string{
		"./usr/bin/tool":  "#!/bin/sh\necho \"$LD_LIBRARY_PATH\" \"$@\"\n",
		"./usr/bin/other": "",
	})
	t.Setenv("FAKE", fake)
	t.Setenv("PATH", fake+":"+os.Getenv("PATH"))
	t.Setenv("HFVMM_MIRROR", "http://mirror.example/debian")
	t.Setenv("HFVMM_CACHE", filepath.Join(t.TempDir(), "it's a cache"))
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	return c, fake
}

func tarball(t *testing.T, file string, contents map[string]string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for name, text := range contents {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o4755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func toolSet() *Set {
	return &Set{Name: "tool", Suites: []string{"bookworm"}, Packages: []string{"tool"},
		Programs: []string{"tool"}, Options: map[string][]string{"tool": {"--root={root}"}}}
}

func calls(t *testing.T, fake string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fake, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

func TestProgramOfASetRunsWithItsLibrariesAndOptions(t *testing.T) {
	c, _ := rig(t)
	program, err := c.Program(t.Context(), toolSet(), "tool")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "a b").CombinedOutput()
	root := filepath.Dir(filepath.Dir(program))
	if want := root + "/libraries --root=" + root + " a b\n"; string(out) != want || err != nil {
		t.Errorf("%q, error %v, want %q", out, err, want)
	}
	if text, err := os.ReadFile(filepath.Join(root, libraries, "libfoo.so.1")); string(text) != "library" || err != nil {
		t.Errorf("library %q, error %v", text, err)
	}
	if info, err := os.Stat(filepath.Join(root, "usr/bin/tool")); err != nil || info.Mode()&os.ModeSetuid != 0 {
		t.Errorf("%v is set-user-ID, error %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(root, "bin/other")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that was not asked for is in bin: %v", err)
	}
}

func TestProgramThatWantsANewerCLibraryRunsWithTheSetsOwn(t *testing.T) {
	c, fake := rig(t)
	tarball(t, filepath.Join(fake, "libfoo.tar"), map[string]string{
		"./usr/lib64/ld-linux-x86-64.so.2":     "#!/bin/sh\necho linker \"$@\"\n",
		"./usr/lib/x86_64-linux-gnu/libc.so.6": "",
	})
	root, err := c.Install(t.Context(), &Set{Name: "old", Suites: []string{"bookworm"}, Packages: []string{"tool"}, OwnLibC: []string{"usr/bin/t*"}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(root, "usr/bin/tool"), "a b").CombinedOutput()
	want := "linker --library-path " + root + "/usr/lib/x86_64-linux-gnu " + root + "/usr/bin/tool.elf a b\n"
	if string(out) != want || err != nil {
		t.Errorf("%q, error %v, want %q", out, err, want)
	}
}

func TestSetWithoutThePromisedProgramOrCLibraryIsNotInstalled(t *testing.T) {
	c, _ := rig(t)
	for _, pattern := range []string{"usr/bin/tool", "usr/bin/nothing"} { // there is no C library; there is no program
		s := &Set{Name: "old", Suites: []string{"bookworm"}, Packages: []string{"tool"}, OwnLibC: []string{pattern}}
		if _, err := c.Install(t.Context(), s); err == nil || !strings.Contains(err.Error(), "the packages of old hold") {
			t.Errorf("%s: error %v", pattern, err)
		}
		if root, ok := c.Has(s); ok {
			t.Errorf("%s: %s is there", pattern, root)
		}
	}
}

func TestSetIsFetchedOnceByProcessesThatWantItTogether(t *testing.T) {
	c, fake := rig(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := c.Install(t.Context(), toolSet()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := calls(t, fake); n != 3 {
		t.Errorf("apt-get was called %d times, want update, install and download", n)
	}
}

func TestFetchOfAKilledProcessIsWaitedForUntilItsAptHasEnded(t *testing.T) {
	const killed = "HFVMM_TEST_KILLED" // in the environment makes this test that process
	if os.Getenv(killed) != "" {
		c, err := Open()
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Install(t.Context(), toolSet())
		t.Fatalf("it was not killed: %v", err)
	}
	c, fake := rig(t)
	slow := filepath.Join(fake, "slow")
	if err := syscall.Mkfifo(slow, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), killed+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	apt, err := os.OpenFile(slow, os.O_WRONLY, 0) // when apt-get reads it
	if err != nil {
		t.Fatal(err)
	}
	defer apt.Close()
	if err := errors.Join(cmd.Process.Kill(), os.Remove(slow)); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()

	waits, done := make(chan bool, 1), make(chan error, 1)
	c.Progress = func(what string) {
		if strings.HasPrefix(what, "waiting for another process") {
			waits <- true
		}
	}
	go func() {
		_, err := c.Install(t.Context(), toolSet())
		done <- err
	}()
	select {
	case <-waits:
	case err := <-done:
		t.Fatalf("it was not waited for; error %v", err)
	}
	if n := calls(t, fake); n != 1 {
		t.Errorf("apt-get was called %d times while another one runs", n)
	}
	apt.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFailedFetchLeavesNoSetBehindAndCanBeRepeated(t *testing.T) {
	c, fake := rig(t)
	offline := filepath.Join(fake, "offline")
	if err := os.WriteFile(offline, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := c.Install(t.Context(), toolSet())
	if err == nil || !strings.Contains(err.Error(), "E: no network") {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, ".new-*")); left != nil {
		t.Errorf("%q is left", left)
	}
	if err := os.Remove(offline); err != nil {
		t.Fatal(err)
	}
	// What a killed process leaves goes away too.
	stale := filepath.Join(c.dir, ".new-1", "root")
	if err := os.MkdirAll(stale, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Install(t.Context(), toolSet()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", stale, err)
	}
}

func TestPackageCannotWriteOutsideItsFolder(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"dots": {"./../../outside": "x"},
	} {
		c, fake := rig(t)
		tarball(t, filepath.Join(fake, "tool.tar"), files)
		if _, err := c.Install(t.Context(), toolSet()); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(filepath.Join(c.dir, "outside")); err == nil {
			t.Errorf("%s: it was written", name)
		}
	}
}

func TestWaitingForAnotherProcessEndsWithTheContext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	held, err := lock(t.Context(), file, func() { t.Error("nobody holds it") })
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	told := 0
	if _, err := lock(ctx, file, func() { told++ }); !errors.Is(err, context.DeadlineExceeded) || told != 1 {
		t.Errorf("error %v, told %d times", err, told)
	}
}

func TestMachineWithoutAptIsToldSo(t *testing.T) {
	c, _ := rig(t)
	t.Setenv("PATH", t.TempDir())
	if _, err := c.Install(t.Context(), toolSet()); err == nil || !strings.Contains(err.Error(), "apt-get") {
		t.Errorf("error %v", err)
	}
}
