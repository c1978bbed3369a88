package scheduler

// ABI is an interface of the machine, from the side of the primary: how calls and results look in registers.
type ABI interface {
	// configure registers the mailbox. waiters says that some VM waited for that.
	configure(c *cpu, m *Mailbox) (waiters bool, err error)
	// partitions finds out who there is. It may use the receive page.
	partitions(c *cpu, m *Mailbox) (self uint16, vms []partition, err error)
	// run runs a vCPU once.
	run(c *cpu, vm, index uint16) result
	// send sends size bytes of the send page. If it is false the receiver cannot take them, and the
	// primary is told when it can. taker is the vCPU to run, or anyVCPU.
	send(c *cpu, self, to uint16, size int) (sent bool, taker uint16)
	// release empties the receive page.
	release(c *cpu) (waiters bool)
	// waiter gives the next VM that waits for the mailbox of a VM.
	waiter(c *cpu, vm uint16) (id uint16, ok bool)
	// writable gives the next VM whose mailbox became writable for the primary.
	writable(c *cpu) (id uint16, ok bool)
	// inject makes an interrupt pending. If it is true the vCPU must be run.
	inject(c *cpu, vm, index uint16, intid uint64) (run bool)
}

// partition is a secondary as the machine tells of it.
type partition struct {
	id, vcpus uint16
}

// anyVCPU stands for a vCPU that the scheduler chooses.
const anyVCPU = 0xffff

// Virtual interrupts that the scheduler raises.
const (
	mailboxReadable = 1
	mailboxWritable = 2
)

// kind says how a run ended.
type kind uint8

const (
	wentOn   kind = iota // it was preempted or yielded
	receives             // it waits for a message, ns at most
	sleeps               // it waits for an interrupt, ns at most
	sent                 // it sent a message to VM vm; if that is the primary, of size bytes
	freed                // its VM's mailbox became writable, and others wait for that
	wakes                // vCPU index of VM vm must run
	aborted              // its VM is dead
	refused              // it did not run; code says why
)

// result is what a run returned.
type result struct {
	kind      kind
	vm, index uint16
	size      uint32
	memory    bool // the message describes memory
	ns        uint64
	code      uint64
}

// cpu is one of the primary's: it makes calls.
type cpu struct {
	machine Machine
	number  int
	r       Regs
	stopped bool
	idle    bool
	current *vcpu // FIFO: what it goes on with
}

// call makes a call with these values in x0, x1, … and reports whether the machine goes on.
func (c *cpu) call(x ...uint64) bool {
	c.r = Regs{}
	copy(c.r[:], x)
	if !c.machine.Call(c.number, &c.r) {
		c.stopped = true
	}
	return !c.stopped
}

// next makes a call that returns the id of a VM, or -1.
func (c *cpu) next(x ...uint64) (id uint16, ok bool) {
	ok = c.call(x...) && int64(c.r[0]) >= 0
	return uint16(c.r[0]), ok
}
