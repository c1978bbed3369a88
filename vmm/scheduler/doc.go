// Package scheduler is the program of a primary VM that hfvmm plays itself: it runs the vCPUs of all
// secondaries as Hafnium's document "Scheduler VM expectations" demands, gives the first of them what
// comes in as messages, and hands out the messages that it gets.
//
// It is a guest in Go. Whatever it wants it asks for with calls of the interface that the machine
// serves, through a register file and a mailbox of its own; it knows nothing of the partition manager
// behind that, and what a checker of schedulers sees of it is what it sees of any other primary.
//
// Like the guest of a machine with several CPUs it works on several threads at once, one for each
// primary vCPU. Its lock is held between its calls and during the short ones, never while a vCPU runs.
//
// The package is pure: no KVM, no operating system, no goroutines, no clock. It declares what it needs
// as [Machine] and [Console].
package scheduler
