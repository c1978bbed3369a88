package lab

import "strconv"

// portName is the name of the virtio-serial port that joins host and guest.
const portName = "hfvmm.job"

// arguments are QEMU's, for a machine with EL2 and GICv3 whose port is the inherited socket portFD
// and whose initramfs is the file initrd. Its kernel log goes to QEMU's standard output.
//
// virt is the board, neoverse-n1 a CPU with VHE and without the features whose emulation is dear. Page-table isolation
// and mitigations defend nothing here and make each system call several times dearer.
func (j *Job) arguments(initrd string, portFD int, memory uint64) []string {
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
		"-kernel", j.Kernel, "-initrd", initrd, "-append", cmdline,
		"-serial", "stdio", "-monitor", "none",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=job,fd=" + strconv.Itoa(portFD),
		"-device", "virtserialport,chardev=job,name=" + portName,
	}
	if j.Icount {
		args = append(args, "-icount", "shift=0,sleep=off")
	}
	return args
}
