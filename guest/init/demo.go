//go:build linux

package main

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/hfvmm/hfvmm/guest/mailbox"
)

// demo shows a text going to a secondary and back, then how fast messages go.
func demo(vms []int) (string, error) {
	const count = 50
	m, err := mailbox.Open(vms[0])
	if err != nil {
		return "", err
	}
	fmt.Printf("\nLinux %s is the primary VM. Its driver schedules VM %d, a bare-metal secondary.\n",
		kernelRelease(), vms[0])
	for _, text := range []string{
		"Is anybody there?",
		"This line went into a 4 KiB page, through one hypercall, and into another VM.",
		"And this is the last one.",
	} {
		p, err := m.Ask([]byte(text))
		if err != nil {
			return "", err
		}
		fmt.Printf("  to   VM %d: %s\n  from VM %d: %s\n", vms[0], text, vms[0], p)
	}

	if err := m.Close(); err != nil {
		return "", err
	}
	fmt.Println()
	if err := runHFTest(count, fmt.Sprintf("echo@%d", vms[0]), fmt.Sprintf("bulk@%d", vms[0])); err != nil {
		return "", err
	}
	s, err := mailbox.AllStats()
	if err != nil {
		return "", err
	}
	table(s)
	return fmt.Sprintf("%d messages", s["messages_to_vm"]+s["messages_from_vm"]), nil
}

// table prints the driver's statistics.
func table(s mailbox.Stats) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n  messages to VMs\t%d\t(%d bytes)\n", s["messages_to_vm"], s["bytes_to_vm"])
	fmt.Fprintf(w, "  messages from VMs\t%d\t(%d bytes)\n", s["messages_from_vm"], s["bytes_from_vm"])
	fmt.Fprintf(w, "  runs of VMs\t%d\t(%v)\n", s["run"], time.Duration(s["run_ns"]).Round(time.Microsecond))
	for _, row := range []struct{ result, name string }{
		{"MSG_SEND", "run_msg_send"},
		{"MSG_WAIT", "run_msg_wait"},
		{"WAIT_FOR_INTERRUPT", "run_wait_for_interrupt"},
		{"INTERRUPT", "run_interrupt"},
		{"YIELD", "run_yield"},
		{"RX_RELEASE", "run_rx_release"},
		{"WAKE_UP", "run_wake_up"},
		{"ABORTED", "run_aborted"},
		{"other errors", "run_error"},
	} {
		fmt.Fprintf(w, "    %s\t%d\t\n", row.result, s[row.name])
	}
	w.Flush()
	fmt.Println()
}
