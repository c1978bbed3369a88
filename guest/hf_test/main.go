//go:build linux

// Command hf_test drives the mailboxes of secondaries through the driver, checks every message that comes
// back, and prints how fast they went:
//
//	hf_test [-n COUNT] TEST@VM[+VM]…
//
//	echo@VM     COUNT round trips each of 1, 64, 1024 and 4096 bytes; VM runs the service echo
//	bulk@VM     COUNT messages of 4096 bytes back to back, answered by echo
//	relay@A+B   COUNT messages to A, which go on to B and back to A, and then home; both run relay
//	flood@A+B   4 COUNT messages from A, which runs flood, into the full mailbox of B, which runs sink
//
// The exit code is 0 if every message was right.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	count := flag.Int("n", 100, "`COUNT` of the tests")
	flag.Parse()
	orders, err := parse(flag.Args())
	if err == nil && *count < 1 {
		err = fmt.Errorf("-n %d: the count must be positive", *count)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hf_test:", err)
		os.Exit(2)
	}
	if err := runAll(orders, *count); err != nil {
		fmt.Fprintln(os.Stderr, "hf_test:", err)
		os.Exit(1)
	}
}

// order is a test and the VMs that it uses.
type order struct {
	test test
	name string
	vms  []int
}

// parse reads TEST@VM+VM.
func parse(args []string) ([]order, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("name a test: echo@VM, bulk@VM, relay@A+B or flood@A+B")
	}
	var orders []order
	for _, arg := range args {
		name, ids, _ := strings.Cut(arg, "@")
		t, ok := tests[name]
		if !ok {
			return nil, fmt.Errorf("%s: there is no test %q: name echo, bulk, relay or flood", arg, name)
		}
		o := order{test: t, name: name}
		for s := range strings.SplitSeq(ids, "+") {
			vm, err := strconv.ParseUint(s, 10, 16)
			if err != nil {
				return nil, fmt.Errorf("%s: %q is not the id of a VM", arg, s)
			}
			o.vms = append(o.vms, int(vm))
		}
		if len(o.vms) != t.vms {
			return nil, fmt.Errorf("%s: this test needs %d VMs", arg, t.vms)
		}
		orders = append(orders, o)
	}
	return orders, nil
}

// runAll runs the tests and prints a line for each rate that they measured.
func runAll(orders []order, count int) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "test\tbytes\tmessages\ttime\tmessages/s\tKiB/s\t")
	for _, o := range orders {
		rates, err := o.test.run(o.vms, count)
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		for _, r := range rates {
			fmt.Fprintf(w, "%s\t%d\t%d\t%v\t%.0f\t%.0f\t  %s\n", o.name, r.size, r.messages, r.took.Round(time.Millisecond),
				float64(r.messages)/r.took.Seconds(), float64(r.messages*r.size)/1024/r.took.Seconds(), r.note)
		}
	}
	return w.Flush()
}
