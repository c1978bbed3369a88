package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/console"
	"github.com/hfvmm/hfvmm/vmm/lab"
)

// fakeHost is a host without machines: what would run is recorded, and ends at once.
type fakeHost struct {
	noKVM, noLab error // why there is no KVM, and no lab

	ending vmm.Ending
	code   int
	err    error
	counts []duty.Tally
	until  func(ctx context.Context) // what the machine does, if not nil

	ran  []vmm.Config
	jobs []lab.Job
}

func (h *fakeHost) usable() error { return h.noKVM }

func (h *fakeHost) run(ctx context.Context, cfg vmm.Config) (vmm.Ending, error) {
	h.ran = append(h.ran, cfg)
	if h.until != nil {
		h.until(ctx)
	}
	cfg.Duties(h.counts)
	return h.ending, h.err
}

func (h *fakeHost) provide(context.Context, *lab.Job) error { return h.noLab }

func (h *fakeHost) lab(ctx context.Context, job lab.Job) (int, error) {
	h.jobs = append(h.jobs, job)
	job.Started()
	if h.until != nil {
		h.until(ctx)
	}
	return h.code, h.err
}

// result is what a command line left behind.
type result struct {
	code           int
	stdout, stderr string
}

// within waits until a condition holds.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not so after two minutes: ", what)
		}
	}
}

// runApp runs a command line with nothing to read, and checks that it leaves nothing behind.
func runApp(t *testing.T, h host, args ...string) result {
	t.Helper()
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	before := runtime.NumGoroutine()
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	var stderr bytes.Buffer
	a := &app{stdin: stdin, stdout: stdout, stderr: console.NewStderr(&stderr), host: h}
	code := a.main(context.Background(), args)
	// One goroutine of package signal stays for ever.
	within(t, "every goroutine has ended", func() bool { return runtime.NumGoroutine() <= before+1 })
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("temporary files: %v, %v", left, err)
	}
	out, err := os.ReadFile(stdout.Name())
	if err != nil {
		t.Fatal(err)
	}
	return result{code, string(out), stderr.String()}
}

// code is what a flat binary may hold: a branch to itself.
var code = []byte{0x00, 0x00, 0x00, 0x14}

// files makes a folder with files that look like images, and changes into it.
func files(t *testing.T, names ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range names {
		if err := os.WriteFile(name, code, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
