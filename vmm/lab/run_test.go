package lab

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// program builds the program of testdata/job for arm64.
func program(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "job")
	cmd := exec.Command("go", "build", "-o", out, "./testdata/job")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return out
}

// provided returns a job for a lab that can boot here. Booting takes seconds, and fetching what it needs
// more, so it is done only on demand.
func provided(t *testing.T, args ...string) Job {
	t.Helper()
	if os.Getenv("HFVMM_REQUIRE_LAB") == "" {
		t.Skip("HFVMM_REQUIRE_LAB=1 boots the lab")
	}
	job := Job{Init: program(t), Args: args, CPUs: 1}
	if err := job.Provide(t.Context()); err != nil {
		t.Fatal(err)
	}
	return job
}

func TestStandardStreamsCrossTheLabByteForByte(t *testing.T) {
	job := provided(t, "cat")
	in := make([]byte, 1<<20)
	for i := range in {
		in[i] = byte(rand.Uint32())
	}
	var stdout, stderr bytes.Buffer
	job.Stdin, job.Stdout, job.Stderr = bytes.NewReader(in), &stdout, &stderr
	started := false
	job.Started = func() { started = true }
	code, err := Run(t.Context(), job)
	if code != 7 || err != nil || !started {
		t.Errorf("exit code %d, error %v, started %v", code, err, started)
	}
	if !bytes.Equal(stdout.Bytes(), in) {
		t.Errorf("%d bytes came back, which are not the %d sent", stdout.Len(), len(in))
	}
	if stderr.String() != "stderr" {
		t.Errorf("standard error is %q", stderr.String())
	}
}

func TestProgramOfTheLabHasItsFilesAndKVM(t *testing.T) {
	job := provided(t, "describe", "a b", "\xe9", "")
	job.Program = "/bin/job"
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, []byte("contents"), 0o600); err != nil {
		t.Fatal(err)
	}
	job.Files = map[string]string{"/bin/job": job.Init, "/some/where/file": file}
	job.Dir, job.Env = "/some/where", []string{"KEY=value"}
	var stdout bytes.Buffer
	job.Stdout = &stdout
	code, err := Run(t.Context(), job)
	if code != 0 || err != nil {
		t.Errorf("exit code %d, error %v", code, err)
	}
	if want := "/some/where contents <nil> value a b|\xe9| <nil>\n"; stdout.String() != want {
		t.Errorf("the program says %q, want %q", stdout.String(), want)
	}
}

// lateReader is a writer whose other end does something else for a while, first of all.
type lateReader struct {
	busy time.Duration
	n    int
}

func (r *lateReader) Write(p []byte) (int, error) {
	time.Sleep(r.busy)
	r.busy = 0
	r.n += len(p)
	return len(p), nil
}

func TestOutputAndExitCodeWaitForAHostThatReadsLongAfterTheEnd(t *testing.T) {
	for name, most := range map[string]string{"the end has left the program": "1000000", "all is full": "1000000000"} {
		t.Run(name, func(t *testing.T) {
			job := provided(t, "flood", most)
			stdout, stderr := &lateReader{busy: 15 * time.Second}, &bytes.Buffer{}
			job.Stdout, job.Stderr = stdout, stderr
			code, err := Run(t.Context(), job)
			if code != 7 || err != nil || stderr.String() != strconv.Itoa(stdout.n) {
				t.Errorf("exit code %d, error %v, %d bytes came of %s", code, err, stdout.n, stderr)
			}
		})
	}
}

func TestSignalThatEndsTheProgramIsItsExitCode(t *testing.T) {
	code, err := Run(t.Context(), provided(t, "kill"))
	if code != 128+9 || err != nil {
		t.Errorf("exit code %d, error %v", code, err)
	}
}

func TestProgramThatCannotStartIsAnError(t *testing.T) {
	job := provided(t)
	job.Program = "/nonexistent"
	if _, err := Run(t.Context(), job); err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("error %v", err)
	}
}

func TestCancelledLabLeavesNothingBehind(t *testing.T) {
	job := provided(t, "hang")
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	job.Started = cancel
	if _, err := Run(ctx, job); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if files, err := os.ReadDir(os.TempDir()); err != nil || len(files) != 0 {
		t.Errorf("files %v, error %v", files, err)
	}
	lists, _ := filepath.Glob("/proc/self/task/*/children") // Linux only
	for _, l := range lists {
		if children, _ := os.ReadFile(l); len(children) != 0 {
			t.Errorf("child processes %s are left", children)
		}
	}
}

// endless is standard input without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Neither input that the program does not read nor output that the host cannot write is in the way of its end.
func TestProgramOfACancelledLabIsAskedToEndAndHeard(t *testing.T) {
	job := provided(t, "obey")
	ctx, cancel := context.WithCancel(t.Context())
	var stderr bytes.Buffer
	job.Stdin, job.Stderr = endless{}, &stderr
	job.Stdout = writerFunc(func(p []byte) (int, error) {
		cancel()
		return 0, errors.New("full")
	})
	if _, err := Run(ctx, job); !errors.Is(err, context.Canceled) || stderr.String() != "last words" {
		t.Errorf("error %v, standard error %q", err, &stderr)
	}
}

// TestKernelThatPanicsIsShownWithTheEndOfItsLog boots a lab whose init cannot run.
func TestKernelThatPanicsIsShownWithTheEndOfItsLog(t *testing.T) {
	job := provided(t)
	job.Init = filepath.Join(t.TempDir(), "init")
	if err := os.WriteFile(job.Init, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Run(t.Context(), job)
	if !errors.Is(err, errStopped) || !strings.Contains(err.Error(), "panic") {
		t.Errorf("error %v", err)
	}
}

// image writes a file that looks like a kernel.
func image(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "Image")
	header := make([]byte, 4096)
	copy(header[56:], "ARM\x64")
	if err := os.WriteFile(file, header, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// script writes an executable shell script, which stands in for QEMU.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "qemu")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestQEMUThatRefusesIsQuoted(t *testing.T) {
	job := Job{Init: os.Args[0], Kernel: image(t), QEMU: script(t, "echo no such machine >&2; exit 1")}
	_, err := Run(t.Context(), job)
	if err == nil || !strings.Contains(err.Error(), "QEMU says: no such machine") {
		t.Errorf("error %v", err)
	}
}

func TestMissingQEMUIsAnError(t *testing.T) {
	if _, err := Run(t.Context(), Job{Init: os.Args[0], Kernel: image(t), QEMU: "/nonexistent"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestLabThatNeverAnswersEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	job := Job{Init: os.Args[0], Kernel: image(t), QEMU: script(t, "exec sleep 60")}
	if _, err := Run(ctx, job); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestImpossibleJobsAreRefused(t *testing.T) {
	good := Job{Init: os.Args[0], Kernel: image(t), QEMU: "q"}
	for name, change := range map[string]func(*Job){
		"no kernel":      func(j *Job) { j.Kernel = "" },
		"no Linux":       func(j *Job) { j.Kernel = os.Args[0] },
		"text as kernel": func(j *Job) { j.Kernel = "run_test.go" },
		"no QEMU":        func(j *Job) { j.QEMU = "" },
		"too many CPUs":  func(j *Job) { j.CPUs = MaxCPUs + 1 },
		"negative CPUs":  func(j *Job) { j.CPUs = -1 },
		"missing file":   func(j *Job) { j.Files = map[string]string{"/f": "/nonexistent"} },
		"folder as file": func(j *Job) { j.Files = map[string]string{"/f": "/"} },
		"two inits":      func(j *Job) { j.Files = map[string]string{"/init": os.Args[0]} },
	} {
		job := good
		change(&job)
		if _, err := Run(t.Context(), job); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOrderKeepsEveryByteOfItsStrings(t *testing.T) {
	want := order{Program: "/caf\xe9", Args: []string{"--primary=/files/0/caf\xe9.bin", ""}, Env: []string{"A=\xff"}, Dir: "/\xfe", Stdin: true, Socket: "/\x80"}
	data, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeOrder(data); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v became %#v, %v", want, got, err)
	}
}

func TestPackedKernelIsUnpackedForQEMU(t *testing.T) {
	raw, err := os.ReadFile(image(t))
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(file, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := openKernel(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	if err != nil || !bytes.Equal(got, raw) {
		t.Errorf("%d bytes, error %v", len(got), err)
	}
}

func TestInstructionCountingFixesClockAndCPUs(t *testing.T) {
	job := Job{CPUs: 8, Icount: true}
	args := strings.Join(job.arguments(100), " ")
	for _, want := range []string{"-icount shift=0,sleep=off", "-smp 1", "tcg,thread=single", "nokaslr", "clock=vm"} {
		if !strings.Contains(args, want) {
			t.Errorf("%q is not in %s", want, args)
		}
	}
}
