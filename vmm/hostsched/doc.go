// Package hostsched sees when the host's scheduler takes a thread off its CPU and puts it back on one, and
// keeps a flag in memory true to that, at the moment that it happens: a BPF program on the kernel's tracepoint
// sched_switch writes 1 when the thread goes and 0 when it comes. The flags are words of pages that the kernel
// and this process share, which may lie anywhere in this process's memory, such as in that of a guest.
//
// It knows nothing of VMs. It needs Linux with BTF and the capabilities CAP_BPF and CAP_PERFMON.
package hostsched

// PageSize is the size of a shared page.
const PageSize = 4096

// flagSize is how far apart flags are.
const flagSize = 64

// Place is where a flag is. The zero value is nowhere.
type Place uint32

// At is the place of the flag at an offset, a multiple of 64, in a shared page.
func At(page, offset int) Place { return Place(1 + page*(PageSize/flagSize) + offset/flagSize) }
