package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"text/tabwriter"
)

// The contended lock: a secondary of 4 vCPUs on the 2 CPUs of a primary that runs them in turn, a slice each. They
// contend for a spinlock whose owner is therefore often scheduled out; with PV_SCHED those who wait see that and yield.
//
// What is measured is time, by the guest's counter, in a lab with 2 CPUs that run in parallel: it depends on the
// machine and on what else that does. So it is measured many times, with and without in turn, and the spread is told.
const (
	lockInLab   = "-lock-in-lab" // first argument of the copy that runs inside; the second one is the number of runs
	lockCPUs    = 2
	lockPrimary = "suite_lock.bin"
	lockService = "lock.bin"
)

// lockKinds are what is compared: tests of the suite and hfvmm's flags.
var lockKinds = [2]struct{ test, flag string }{
	{"is_exclusive_while_its_owners_are_scheduled_out", "--pvsched=off"},
	{"is_exclusive_where_those_who_wait_yield", "--pvsched=all"},
}

// lockRun is nanoseconds per critical section, in two machines that ran one after the other.
type lockRun struct {
	Spinning uint64 `json:"spinning_ns"`
	Yielding uint64 `json:"yielding_ns"`
}

func (r lockRun) ratio() float64 { return float64(r.Spinning) / float64(r.Yielding) }

// contendAll measures so many runs and writes them.
func contendAll(out io.Writer, runs string) error {
	n, err := strconv.Atoi(runs)
	if err != nil {
		return err
	}
	all := make([]lockRun, n)
	for i := range all {
		var ns [len(lockKinds)]uint64
		for k, kind := range lockKinds {
			rows, err := measure([]string{hfvmmPath, "run", "--host", "kvm", "--abi", "spci", "--mem", "64M", "--cpus", "2", "--slice", "4ms", kind.flag,
				"--primary", path.Join(folder, lockPrimary), "--cmdline", "run lock " + kind.test,
				"--secondary", path.Join(folder, lockService) + ",vcpus=4"})
			if err != nil {
				return err
			}
			if len(rows) != 1 || rows[0].Instructions == 0 {
				return fmt.Errorf("%s: figures %+v", kind.test, rows)
			}
			ns[k] = rows[0].Instructions
		}
		all[i] = lockRun{ns[0], ns[1]}
	}
	return json.NewEncoder(out).Encode(all)
}

// publishLock prints the table and writes the file.
func publishLock(figures []byte, out string) error {
	var runs []lockRun
	if err := json.Unmarshal(figures, &runs); err != nil {
		return fmt.Errorf("figures of the lab: %w", err)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "least\tmedian\tmost\t")
	line := func(format, what string, figure func(lockRun) float64) {
		var all []float64
		for _, r := range runs {
			all = append(all, figure(r))
		}
		slices.Sort(all)
		fmt.Fprintf(w, format+"\t"+format+"\t"+format+"\t  %s\n", all[0], all[len(all)/2], all[len(all)-1], what)
	}
	line("%.0f", "ns per critical section, those who wait spin", func(r lockRun) float64 { return float64(r.Spinning) })
	line("%.0f", "the same with PV_SCHED, they yield when the owner is scheduled out", func(r lockRun) float64 { return float64(r.Yielding) })
	line("%.2f", fmt.Sprintf("ratio, of %d pairs of runs", len(runs)), lockRun.ratio)
	if err := w.Flush(); err != nil {
		return err
	}
	return writeFigures(runs, out)
}
