package lab

import "strconv"

// The virtio-serial ports that join host and guest: that of the program's standard streams, the one through which the
// program is stopped, and that of the tunnel if there is one.
const (
	portName   = "hfvmm.job"
	stopName   = "hfvmm.stop" // any byte asks the program to end; input that it does not read is not in its way here
	tunnelName = "hfvmm.tunnel"
)

// Files that QEMU inherits.
const (
	kernelFD = 3 + iota
	initrdFD
	portFD   // socket of the port
	stopFD   // of the port through which the program is stopped
	tunnelFD // of the tunnel's port, if there is one
)

// arguments are QEMU's, for a machine with EL2, GICv3 and that many MiB of memory. The kernel's log
// goes to QEMU's standard output.
//
// virt is the board, neoverse-n1 a CPU with VHE and without the features whose emulation is dear. Page-table isolation
// and mitigations defend nothing here and make each system call several times dearer.
func (j *Job) arguments(memory uint64) []string {
	cmdline := "console=ttyAMA0 panic=-1 quiet kpti=off mitigations=off"
	cpus := j.CPUs
	if cpus == 0 {
		cpus = 2
	}
	accel, clock := "tcg,thread=multi", "base=utc"
	if j.Icount {
		cpus = 1
		accel, clock = "tcg,thread=single", "base=2026-01-01,clock=vm"
		cmdline += " nokaslr"
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "virt,virtualization=on,gic-version=3,dtb-randomness=off",
		"-cpu", "neoverse-n1", "-accel", accel,
		"-smp", strconv.Itoa(cpus), "-m", strconv.FormatUint(memory, 10), "-rtc", clock,
		"-kernel", inherited(kernelFD), "-initrd", inherited(initrdFD), "-append", cmdline,
		"-serial", "stdio", "-monitor", "none",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=job,fd=" + strconv.Itoa(portFD),
		"-device", "virtserialport,chardev=job,name=" + portName,
		"-chardev", "socket,id=stop,fd=" + strconv.Itoa(stopFD),
		"-device", "virtserialport,chardev=stop,name=" + stopName,
	}
	if j.Listener != nil {
		args = append(args,
			"-chardev", "socket,id=tunnel,fd="+strconv.Itoa(tunnelFD),
			"-device", "virtserialport,chardev=tunnel,name="+tunnelName)
	}
	if j.Icount {
		args = append(args, "-icount", "shift=0,sleep=off")
	}
	return args
}

// inherited names an open file.
func inherited(fd int) string { return "/dev/fd/" + strconv.Itoa(fd) }
