package kvmarm

// Counter returns CNTVCT_EL0: the system counter, in ticks of [CounterFrequency], as this process sees
// it. It does not read ahead of earlier instructions.
func Counter() uint64

// CounterFrequency returns CNTFRQ_EL0: ticks of [Counter] in a second.
func CounterFrequency() uint64
