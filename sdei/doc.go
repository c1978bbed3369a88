// Package sdei is the dispatcher of the Software Delegated Exception Interface, Arm DEN0054C v1.1, for
// one VM: events that interrupt a vCPU whatever it has masked, as a firmware would deliver them to an
// operating system. All of it: private and shared events, both priorities, routing, interrupt
// binding, relative handlers.
//
// What an event does to a vCPU is computed here as registers. The package is pure: no KVM, no operating
// system, no goroutines, no clock. It asks its [Machine] for the few registers that calls do not carry,
// and to make a vCPU that has an event waiting stop and call [Dispatcher.Deliver]: only the thread that
// owns a vCPU ever changes it.
package sdei
