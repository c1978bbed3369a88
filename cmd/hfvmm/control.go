package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hfvmm/hfvmm/vmm/api"
)

// socketVariable names the socket that the commands below use without --api-socket.
const socketVariable = "HFVMM_API_SOCKET"

// controlCommands are the commands that ask a machine that `hfvmm run --api-socket` runs.
func (a *app) controlCommands() []*cobra.Command {
	return []*cobra.Command{
		a.controlCommand("status", "Say what a running machine is and does", "Status prints the state of a machine, its VMs and its CPUs.", noArgs,
			func(ctx context.Context, c *api.Client, _ []string) error {
				s, err := c.Status(ctx)
				if err != nil {
					return err
				}
				return printStatus(a.stdout, s)
			}),
		a.controlCommand("pause", "Stop every vCPU of a running machine",
			"Pause stops every vCPU of every VM. Time goes on for them: what expires meanwhile is pending at resume.", noArgs,
			func(ctx context.Context, c *api.Client, _ []string) error { return c.Pause(ctx) }),
		a.controlCommand("resume", "Let a paused machine go on", "Resume lets the vCPUs of a paused machine go on.", noArgs,
			func(ctx context.Context, c *api.Client, _ []string) error { return c.Resume(ctx) }),
		a.controlCommand("event VM[.VCPU] NUMBER", "Raise an SDEI event",
			`Event raises an SDEI event of a VM, which a name or a number of status stands for. A private event is raised on vCPU 0
unless another one is given after a point; a shared one goes where its handler wants it.

`+eventHelp, twoArgs,
			func(ctx context.Context, c *api.Client, args []string) error {
				e, err := parseEvent(args[0], args[1])
				if err != nil {
					return err
				}
				return c.RaiseEvent(ctx, e)
			}),
		a.controlCommand("power-off", "End a running machine",
			"Power-off ends a machine at once, without asking its VMs. Its hfvmm run exits with code 0.", noArgs,
			func(ctx context.Context, c *api.Client, _ []string) error { return c.PowerOff(ctx) }),
	}
}

const eventHelp = `Events: 0x40000001 private, 0x40000002 private and critical, 0x40000003 shared, 0x40000004 shared and critical,
0x40000000 the watchdog's, 1 and 0x40400001 those of asynchronous page faults in the kernel series of 2022.`

// controlCommand is a command that does one thing with a machine's socket.
func (a *app) controlCommand(use, short, long string, args cobra.PositionalArgs, do func(context.Context, *api.Client, []string) error) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:               use,
		Short:             short,
		Long:              long + "\n\nThe machine is the one that hfvmm run --api-socket PATH runs; without --api-socket, PATH is that of " + socketVariable + ".",
		Args:              args,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if socket == "" {
				socket = os.Getenv(socketVariable)
			}
			if socket == "" {
				return usageErrorf("no machine named: give --api-socket PATH or set %s", socketVariable)
			}
			return do(cmd.Context(), api.NewClient(socket), args)
		},
	}
	cmd.Flags().StringVar(&socket, "api-socket", "", "`PATH` of the machine's socket")
	return cmd
}

// twoArgs wants two words.
func twoArgs(cmd *cobra.Command, args []string) error {
	if len(args) != 2 {
		return usageErrorf("%d words where a VM and an event are wanted; write it like `hfvmm event primary.1 0x40000001`", len(args))
	}
	return nil
}

// parseEvent reads the arguments of the command event. What follows the last point of the VM is its vCPU if it
// is a number.
func parseEvent(vm, number string) (e api.EventRequest, err error) {
	e.VM = vm
	if i := strings.LastIndexByte(vm, '.'); i >= 0 {
		if n, err := strconv.ParseUint(vm[i+1:], 10, 16); err == nil {
			e.VM, e.VCPU = vm[:i], int(n)
		}
	}
	if e.VM == "" {
		return e, usageErrorf("%q names no VM; give a name or number that `hfvmm status` shows", vm)
	}
	n, err := strconv.ParseUint(number, 0, 32)
	if err != nil {
		return e, usageErrorf("%q is no event; write it like 0x40000001", number)
	}
	e.Event = api.Hex(n)
	return e, nil
}

// printStatus writes a status for people.
func printStatus(out io.Writer, s api.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n\n", s.State)
	fmt.Fprintln(w, "vm\tname\tvcpus\tmemory\tat\tservices")
	for i, v := range s.VMs {
		m := size(v.Memory)
		fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%#x\t%s\n", i, v.Name, v.VCPUs, m.String(), uint64(v.Base), services(v))
	}
	fmt.Fprintln(w, "\ncpu\tpower\tvcpu\truns")
	for i, c := range s.CPUs {
		power := "off"
		if c.On {
			power = "on"
		}
		fmt.Fprintf(w, "%d\t%s\t%s.%d\t%d\n", i, power, c.VM, c.VCPU, c.Runs)
	}
	return w.Flush()
}

func services(v api.VMStatus) string {
	var names []string
	if v.SDEI {
		names = append(names, "sdei")
	}
	if v.PVSched {
		names = append(names, "pvsched")
	}
	if names == nil {
		return "-"
	}
	return strings.Join(names, ",")
}
