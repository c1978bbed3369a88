// Command bench counts the instructions that hfvmm spends on what guests ask of it, beside those of a
// minimal C program that serves the same guests:
//
//	bench [-kernel IMAGE] [-out FILE] [-lock N] GUESTS HFVMM
//
// GUESTS is the folder of the guests of each set below and of the C program that is its floor; HFVMM is an hfvmm for arm64
// Linux. Both run in the lab on a clock that counts instructions, so the figures are
// those of any machine and any load. It prints a table and writes FILE, rows of name, instructions, floor
// and ratio in JSON. With -lock it measures something else instead, which is not a count: see lock.go. Started in the lab, it is the lab's init and the program that runs the two.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/hfvmm/hfvmm/vmm/lab"
)

const inLab = "-in-lab" // first argument of the copy that runs inside

func main() {
	lab.Init()
	var err error
	switch {
	case len(os.Args) > 2 && os.Args[1] == lockInLab:
		err = contendAll(os.Stdout, os.Args[2])
	case len(os.Args) > 1 && os.Args[1] == inLab:
		err = measureAll(os.Stdout)
	default:
		err = benchmark()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is the cost of one job.
type row struct {
	Name         string  `json:"name"`
	Instructions uint64  `json:"instructions"`
	Floor        uint64  `json:"floor"`
	Ratio        float64 `json:"ratio"`
}

// set is a primary that measures, and what it runs with.
type set struct {
	abi         string
	memory      string // of the machine
	floor       string // the C program
	primary     string
	secondaries []string // in the order in which the primary expects them
	flags       []string // of hfvmm, besides
}

var sets = []set{
	{"spci", "64M", "floor", "primary_bench.bin", []string{"echo.bin", "yield.bin", "waiter.bin", "borrower.bin", "borrower.bin"}, nil},
	{"ffa", "128M", "ffa_floor", "primary_ffa_bench.bin", []string{"ffa_echo.bin", "ffa_memory.bin", "ffa_bell.bin"}, nil},
	{"spci", "64M", "events_floor", "primary_events_bench.bin", []string{"yield.bin", "yield.bin"}, nil},
	{"spci", "64M", "events_floor", "primary_events_bench.bin", []string{"yield.bin"}, []string{"--sdei=primary", "--pvsched=primary"}},
}

// titles say what the jobs are.
var titles = map[string]string{
	"hypercall": "hypercall answered at once (SPCI_VERSION)",
	"inject":    "interrupt_inject, SPCI_RUN → interrupt_get, MSG_WAIT → primary",
	"echo_64":   "echo of 64 bytes",
	"echo_4096": "echo of 4096 bytes",
	"yield":     "SPCI_RUN → SPCI_YIELD → primary",
	"share_4k":  "share_memory of 4 KiB, SPCI_RUN → share_memory back, SPCI_YIELD → primary",
	"share_1m":  "the same of 1 MiB",

	"ffa_direct":    "FFA_MSG_SEND_DIRECT_REQ → RESP, 64 bits",
	"ffa_share_4k":  "FFA_MEM_SHARE of 4 KiB, RETRIEVE_REQ, RX_RELEASE, RELINQUISH, RECLAIM, with two direct requests",
	"ffa_share_64m": "the same of 64 MiB",
	"ffa_notify":    "FFA_NOTIFICATION_SET, FFA_RUN → interrupt of the partition, NOTIFICATION_GET, MSG_WAIT → primary",

	"plain_call":     "SPCI_VERSION, of a VM without SDEI and PV_SCHED",
	"services_call":  "the same of a VM that has them, and uses neither",
	"plain_yield":    "SPCI_RUN → SPCI_YIELD → primary, of a VM without them",
	"services_yield": "the same of a VM that has them, and uses neither",
	"pvsched_yield":  "the same with a flag of PV_SCHED",
	"sdei_event":     "EVENT_SIGNAL to itself → handler → EVENT_COMPLETE",
}

// Where things are in the lab.
const (
	folder    = "/bench"
	hfvmmPath = folder + "/hfvmm"
)

func benchmark() error {
	kernel := flag.String("kernel", "", "arm64 kernel `image` of the lab")
	out := flag.String("out", "", "`file` that gets the figures in JSON")
	lockRuns := flag.Int("lock", 0, "measure the contended lock, in so many `runs` with and without PV_SCHED")
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	guests, hfvmm := flag.Arg(0), flag.Arg(1)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	work, err := os.MkdirTemp("", "hfvmm-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	var figures bytes.Buffer
	job := lab.Job{
		Init:   filepath.Join(work, "init"),
		Args:   []string{inLab},
		Files:  map[string]string{hfvmmPath: hfvmm},
		CPUs:   1,
		Icount: true,
		Stdout: &figures, Stderr: os.Stderr,
		Kernel: *kernel,
	}
	var files []string
	for _, s := range sets {
		files = append(append(files, s.floor, s.primary), s.secondaries...)
	}
	if *lockRuns > 0 {
		job.Args = []string{lockInLab, strconv.Itoa(*lockRuns)}
		job.CPUs, job.Icount = lockCPUs, false
		files = []string{lockPrimary, lockService}
	}
	for _, file := range files {
		job.Files[path.Join(folder, file)] = filepath.Join(guests, file)
	}
	if err := build(ctx, job.Init); err != nil {
		return err
	}
	if err := job.Provide(ctx); err != nil {
		return err
	}
	if code, err := lab.Run(ctx, job); err != nil {
		return err
	} else if code != 0 {
		return fmt.Errorf("the benchmark ended with exit code %d", code)
	}
	if *lockRuns > 0 {
		return publishLock(figures.Bytes(), *out)
	}
	return publish(figures.Bytes(), *out)
}

// build makes the executable that runs inside.
func build(ctx context.Context, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/hfvmm/hfvmm/vmm/lab/bench")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build for linux/arm64: %w", err)
	}
	return nil
}

// publish prints the table and writes the file.
func publish(figures []byte, out string) error {
	var rows []row
	if err := json.Unmarshal(figures, &rows); err != nil {
		return fmt.Errorf("figures of the lab: %w", err)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "instructions\tfloor\tratio\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%d\t%.2f\t  %s\n", r.Instructions, r.Floor, r.Ratio, titles[r.Name])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return writeFigures(rows, out)
}

// writeFigures writes them to the file out in JSON, unless that is "".
func writeFigures(figures any, out string) error {
	if out == "" {
		return nil
	}
	text, err := json.MarshalIndent(figures, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, append(text, '\n'), 0o644)
}

// settle is how long a freshly booted Linux has something to do besides. It passes in no time on a clock
// that counts instructions.
const settle = 10 * time.Second

// measureAll measures the sets and writes the rows.
func measureAll(out io.Writer) error {
	time.Sleep(settle)
	var rows []row
	for _, s := range sets {
		more, err := s.measure()
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	return json.NewEncoder(out).Encode(rows)
}

// measure runs the guests under the floor and under hfvmm.
func (s set) measure() ([]row, error) {
	command := []string{path.Join(folder, s.floor), path.Join(folder, s.primary)}
	args := []string{hfvmmPath, "run", "--host", "kvm", "--abi", s.abi, "--mem", s.memory, "--cpus", "1", "--primary", path.Join(folder, s.primary)}
	args = append(args, s.flags...)
	for _, file := range s.secondaries {
		command = append(command, path.Join(folder, file))
		args = append(args, "--secondary", path.Join(folder, file))
	}
	floor, err := measure(command)
	if err != nil {
		return nil, err
	}
	rows, err := measure(args)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || len(rows) != len(floor) {
		return nil, fmt.Errorf("%s: %d figures of hfvmm, %d of the floor", s.primary, len(rows), len(floor))
	}
	for i, f := range floor {
		if rows[i].Name != f.Name || f.Instructions == 0 {
			return nil, fmt.Errorf("figure %d is %+v, and %+v of the floor", i, rows[i], f)
		}
		rows[i].Floor = f.Instructions
		rows[i].Ratio = float64(rows[i].Instructions) / float64(f.Instructions)
	}
	return rows, nil
}

// measure runs a monitor with the guests and picks the lines "BENCH name figure" out of what they print.
func measure(command []string) ([]row, error) {
	cmd := exec.Command(command[0], command[1:]...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", command[0], err, output)
	}
	var rows []row
	for lines := bufio.NewScanner(bytes.NewReader(output)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) != 3 || words[0] != "BENCH" {
			continue
		}
		n, err := strconv.ParseUint(words[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: line %q: %w", command[0], lines.Text(), err)
		}
		rows = append(rows, row{Name: words[1], Instructions: n})
	}
	if !bytes.Contains(output, []byte("PASS")) {
		return nil, fmt.Errorf("%s did not finish:\n%s", command[0], output)
	}
	return rows, nil
}
