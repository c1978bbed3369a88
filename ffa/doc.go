// Package ffa is the partition manager: partitions (VMs), the run states of their vCPUs, mailboxes,
// waiters and virtual interrupts, and the interfaces through which guests use them.
//
// The [Core] holds the state machines and speaks in typed results. A personality turns the registers
// of a call into arguments of the core, and its results into registers: FFA is FF-A 1.0 to 1.2 (Arm
// DEN0077A), SPCI the interface of Hafnium in November 2019, HF that of January 2019. A machine serves one
// of them to all its VMs.
//
// Partition 0 is the primary VM. It alone runs vCPUs of the others, the secondaries, each on the pCPU
// of the primary vCPU that asked. A vCPU belongs to the thread of the pCPU that it runs on, from the
// Enter outcome that starts it to the Leave outcome that ends it; the moment a call of this package
// has returned Leave, another pCPU may enter that vCPU, and the old thread must not touch it again.
//
// The package is pure: no KVM, no operating system, no goroutines, no clock. What it needs of the
// machine it declares as [Memory], [Timer], [Stage2], [Console] and [Interrupts]. An [Observer] may watch how the primary schedules.
package ffa
