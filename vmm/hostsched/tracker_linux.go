package hostsched

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Tracker keeps flags.
type Tracker struct {
	threads, current, flags *ebpf.Map
	barrier, inner          *ebpf.Map // a map of one map, and that
	program                 *ebpf.Program
	link                    link.Link
	places                  []byte // current, mapped
}

// Open starts a tracker for threads with the slots 0 to threads-1, and flags in that many pages. The error
// says why this host cannot have one and what mends it.
func Open(threads, pages int) (*Tracker, error) {
	if err := globalIDs(); err != nil {
		return nil, err
	}
	t := &Tracker{}
	if err := t.open(threads, pages); err != nil {
		t.Close()
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return nil, fmt.Errorf("no permission to trace the host's scheduler: run as root, or `setcap cap_bpf,cap_perfmon+ep` the program: %w", err)
		}
		return nil, fmt.Errorf("the host's scheduler cannot be traced: %w", err)
	}
	return t, nil
}

func (t *Tracker) open(threads, pages int) (err error) {
	if t.threads, err = ebpf.NewMap(&ebpf.MapSpec{Name: "hfvmm_threads", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: uint32(threads)}); err != nil {
		return err
	}
	if t.current, err = ebpf.NewMap(&ebpf.MapSpec{Name: "hfvmm_current", Type: ebpf.Array, KeySize: 4, ValueSize: placeSize, MaxEntries: uint32(threads), Flags: unix.BPF_F_MMAPABLE}); err != nil {
		return err
	}
	if t.flags, err = ebpf.NewMap(&ebpf.MapSpec{Name: "hfvmm_flags", Type: ebpf.Array, KeySize: 4, ValueSize: PageSize, MaxEntries: uint32(pages), Flags: unix.BPF_F_MMAPABLE}); err != nil {
		return err
	}
	inner := ebpf.MapSpec{Name: "hfvmm_inner", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	if t.inner, err = ebpf.NewMap(&inner); err != nil {
		return err
	}
	if t.barrier, err = ebpf.NewMap(&ebpf.MapSpec{Name: "hfvmm_barrier", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: &inner}); err != nil {
		return err
	}
	size := (threads*placeSize + PageSize - 1) &^ (PageSize - 1)
	if t.places, err = unix.Mmap(t.current.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return err
	}
	if t.program, err = program(t.threads, t.current, t.flags); err != nil {
		return err
	}
	t.link, err = link.AttachTracing(link.TracingOptions{Program: t.program, AttachType: ebpf.AttachTraceRawTp})
	return err
}

// placeSize is the size of an element of current; the kernel rounds them up to 8.
const placeSize = 8

// initialPIDs is the PID namespace in which thread IDs are those that the kernel itself has.
const initialPIDs = "pid:[4026531836]"

// globalIDs reports whether this process's thread IDs are the kernel's.
func globalIDs() error {
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return fmt.Errorf("the host's scheduler cannot be traced: %w", err)
	}
	if ns != initialPIDs {
		return errors.New("the host's scheduler cannot be traced from inside of a container with thread IDs of its own; share the host's PID namespace")
	}
	return nil
}

// Follow makes a thread the one of a slot.
func (t *Tracker) Follow(slot int, tid int) error {
	return t.threads.Put(uint32(tid), uint32(slot))
}

// Settle returns when no switch is in progress any more that began before: the flags that Set has replaced until then
// are not written again. The kernel waits for that whenever a map of maps changes.
func (t *Tracker) Settle() error {
	if err := t.barrier.Put(uint32(0), t.inner); err != nil {
		return fmt.Errorf("a map of maps: %w", err)
	}
	return nil
}

// Close ends it. Pages that are mapped stay what they are.
func (t *Tracker) Close() error {
	var errs []error
	if t.link != nil {
		errs = append(errs, t.link.Close())
	}
	if t.program != nil {
		errs = append(errs, t.program.Close())
	}
	for _, m := range []*ebpf.Map{t.threads, t.current, t.flags, t.barrier, t.inner} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	if t.places != nil {
		errs = append(errs, unix.Munmap(t.places))
	}
	*t = Tracker{}
	return errors.Join(errs...)
}
