// Package duty is what a VM that schedules others owes to Hafnium's document "Scheduler VM expectations",
// as a table of rules, and a checker that is told what the primary does and finds what breaks them.
//
// The checker accuses only of what is certain. A rule with an end that the document leaves open, such as to
// run a vCPU later, is decided when the machine ends, and only after [Grace]. What a scheduler knows
// may reach the thread that acts on it late, so that leave to run a vCPU, once given, is good for one run
// whenever that comes. What no rule of the table can tell, such as whether a quantum has expired or who
// deserves the CPU more, is not judged.
//
// The package is pure: it keeps no time but that which events bring, and knows neither registers nor KVM.
package duty
