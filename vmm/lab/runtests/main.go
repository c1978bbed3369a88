// Command runtests runs the tests of packages on an arm64 Linux host with KVM: natively if it is
// started on one, otherwise all in one boot of the lab. Started there, it is the lab's init and the
// program that runs one test binary after the other.
//
//	runtests [-kernel IMAGE] [-cpu N] [-icount] [-with FILE]... [-run REGEXP] [-count N] [-timeout D] PACKAGE...
//
// With -icount the lab's time is the number of instructions that its one CPU executes, the same on every host.
//
// It is started in the module's folder and takes packages as folders below it. A test finds its
// package's testdata and the files named by -with at the same relative paths as on the host. The output
// is go test's, and so is the exit code. HFVMM_SOAK=1 in its environment asks the tests for the long ones too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hfvmm/hfvmm/vmm/lab"
)

func main() {
	lab.Init()
	if len(os.Args) > 1 && os.Args[1] == inLab {
		os.Exit(runAll(os.Args[2:]))
	}
	var o options
	flag.StringVar(&o.kernel, "kernel", "", "arm64 kernel `image` of the lab")
	flag.Var(&o.with, "with", "`file` or folder that the tests need; may be repeated")
	flag.StringVar(&o.run, "run", "", "run only tests that match this `regexp`")
	flag.IntVar(&o.count, "count", 1, "run each test so many `times`")
	flag.IntVar(&o.cpus, "cpu", 2, "`number` of CPUs of the lab")
	flag.BoolVar(&o.icount, "icount", false, "make the lab's time the number of instructions, on one CPU")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Minute, "the longest that the tests of a package may take")
	flag.Parse()
	o.packages = flag.Args()
	if len(o.packages) == 0 {
		fmt.Fprintln(os.Stderr, "runtests: name the packages whose tests are to be run")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := o.execute(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "runtests:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

const (
	inLab    = "-in-lab" // first argument of the copy that runs inside
	guestTop = "/src"    // the module's folder there
)

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

type options struct {
	kernel, run string
	with        list
	cpus, count int
	icount      bool
	timeout     time.Duration
	packages    []string
}

// native says whether this machine can run the tests itself.
func native() bool {
	if runtime.GOOS != "linux" || runtime.GOARCH != "arm64" {
		return false
	}
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

func (o *options) execute(ctx context.Context) (int, error) {
	if native() {
		return o.goTest(ctx)
	}
	work, err := os.MkdirTemp("", "hfvmm-runtests-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	job := lab.Job{
		Init:   filepath.Join(work, "init"),
		Args:   slices.Concat([]string{inLab}, o.testFlags(), []string{"--"}, o.packages),
		Env:    []string{mustRun, soak + "=" + os.Getenv(soak)},
		Files:  map[string]string{},
		CPUs:   o.cpus,
		Icount: o.icount,
		Memory: 2 << 30,
		Stdout: os.Stdout, Stderr: os.Stderr,
		Kernel: o.kernel,
	}
	if err := build(ctx, "build", job.Init, "./vmm/lab/runtests"); err != nil {
		return 0, err
	}
	for i, p := range o.packages {
		binary := filepath.Join(work, fmt.Sprintf("%d.test", i))
		if err := build(ctx, "test", binary, "./"+filepath.ToSlash(p)); err != nil {
			return 0, err
		}
		job.Files[path.Join(guestTop, p, testBinary)] = binary
		if err := addTree(job.Files, filepath.Join(p, "testdata")); err != nil {
			return 0, err
		}
	}
	for _, w := range o.with {
		if _, err := os.Stat(w); err != nil {
			return 0, err
		}
		if err := addTree(job.Files, w); err != nil {
			return 0, err
		}
	}
	if err := job.Provide(ctx); err != nil {
		return 0, err
	}
	return lab.Run(ctx, job)
}

const (
	testBinary = "lab.test"
	mustRun    = "HFVMM_REQUIRE_LAB=1" // tells tests that a missing KVM is a failure here
	soak       = "HFVMM_SOAK"          // asks them for the long ones
)

func (o *options) testFlags() []string {
	flags := []string{"-test.v", "-test.timeout=" + o.timeout.String(), fmt.Sprintf("-test.count=%d", o.count)}
	if o.run != "" {
		flags = append(flags, "-test.run="+o.run)
	}
	return flags
}

// build makes the arm64 executable out of a package with go build or go test -c.
func build(ctx context.Context, verb, out, pkg string) error {
	args := []string{verb}
	if verb == "test" {
		args = append(args, "-c")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", out, pkg)...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s %s for linux/arm64: %w", verb, pkg, err)
	}
	if _, err := os.Stat(out); err != nil {
		return fmt.Errorf("%s has no tests on linux/arm64", pkg)
	}
	return nil
}

// addTree adds the regular files at or below root, if there is such a thing.
func addTree(files map[string]string, root string) error {
	if _, err := os.Stat(root); err != nil {
		return nil
	}
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[path.Join(guestTop, filepath.ToSlash(p))] = p
		return nil
	})
}

// goTest runs the tests on this machine.
func (o *options) goTest(ctx context.Context) (int, error) {
	args := []string{"test", fmt.Sprintf("-count=%d", o.count), "-p=1", "-v", "-timeout", o.timeout.String()}
	if o.run != "" {
		args = append(args, "-run", o.run)
	}
	for _, p := range o.packages {
		args = append(args, "./"+filepath.ToSlash(p))
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), mustRun)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return exitCode(cmd.Run())
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	}
	return 0, err
}

// runAll is the program of the lab: it runs the test binaries of the packages that follow "--", with the
// flags before it, and returns go test's exit code.
func runAll(args []string) int {
	split := slices.Index(args, "--")
	flags, packages := args[:split], args[split+1:]
	code := 0
	for _, p := range packages {
		dir := path.Join(guestTop, p)
		cmd := exec.Command(path.Join(dir, testBinary), flags...)
		cmd.Dir = dir
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		start := time.Now()
		verdict := "ok  "
		if err := cmd.Run(); err != nil {
			verdict, code = "FAIL", 1
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Printf("%s\t%s\t%.3fs\n", verdict, path.Join("github.com/hfvmm/hfvmm", p), time.Since(start).Seconds())
	}
	return code
}
