package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/hfvmm/hfvmm/vmm"
)

// fakeHost runs machines that end at once.
type fakeHost struct {
	ending vmm.Ending
	err    error
	until  func(ctx context.Context) // what the machine does, if not nil

	ran []vmm.Config
}

func (h *fakeHost) run(ctx context.Context, cfg vmm.Config) (vmm.Ending, error) {
	h.ran = append(h.ran, cfg)
	if h.until != nil {
		h.until(ctx)
	}
	return h.ending, h.err
}

// result is what a command line left behind.
type result struct {
	code           int
	stdout, stderr string
}

// runApp runs a command line with nothing to read.
func runApp(t *testing.T, h *fakeHost, args ...string) result {
	t.Helper()
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
	a := &app{stdin: stdin, stdout: stdout, stderr: &stderr, host: h}
	code := a.main(context.Background(), args)
	out, err := os.ReadFile(stdout.Name())
	if err != nil {
		t.Fatal(err)
	}
	return result{code, string(out), stderr.String()}
}

// files makes a folder with files that look like images, and changes into it.
func files(t *testing.T, names ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range names {
		if err := os.WriteFile(name, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
