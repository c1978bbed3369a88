package duty

// Level is how binding a rule is, in the words of RFC 2119.
type Level string

// The levels.
const (
	Must    Level = "MUST"
	MustNot Level = "MUST NOT"
	Should  Level = "SHOULD"
)

// Binding reports whether a scheduler has no choice.
func (l Level) Binding() bool { return l != Should }

// Rule is a row of the table.
type Rule struct {
	ID      string // as reports name it
	Level   Level
	Section string // of the document: the run result, or the error, that the rule stands under
	Duty    string // in our words
	Breach  string // what a scheduler that breaks it did instead
}

// The rules, by their places in the table.
const (
	waitMessage = iota
	waitInterrupt
	resume
	yielded
	receiver
	drain
	notify
	wakeUp
	again
	abortWakes
	abortRests
	numRules
)

// Rules are all rules. A message to a VM excuses a run of a vCPU that waits for an interrupt too: the document
// lets the scheduler choose which vCPU of the receiver to run.
var Rules = [numRules]Rule{
	waitMessage: {"msg-wait", MustNot, "SPCI_MSG_WAIT",
		"run a vCPU that waits for a message before an injection, a message, a wake-up or the time that was told",
		"ran it with nothing to wake it"},
	waitInterrupt: {"wait-for-interrupt", MustNot, "HF_SPCI_RUN_WAIT_FOR_INTERRUPT",
		"run a vCPU that waits for an interrupt before an injection, a wake-up or the time that was told",
		"ran it with nothing to wake it"},
	resume: {"interrupt", Must, "SPCI_INTERRUPT",
		"run a vCPU that was preempted again",
		"never ran it again"},
	yielded: {"yield", Must, "SPCI_YIELD",
		"run a vCPU that yielded again at a later point",
		"never ran it again"},
	receiver: {"message", Must, "SPCI_MSG_SEND",
		"run a vCPU of the VM that a message was sent to",
		"ran no vCPU of the receiver"},
	drain: {"waiters-drained", Must, "SPCI_RX_RELEASE",
		"ask for waiters until there are no more",
		"left waiters of the mailbox unasked for"},
	notify: {"waiters-notified", Must, "SPCI_RX_RELEASE",
		"inject the interrupt of a writable mailbox into every waiter",
		"did not inject the interrupt of a writable mailbox"},
	wakeUp: {"wake-up", Must, "HF_SPCI_RUN_WAKE_UP",
		"run the vCPU that is to be woken",
		"never ran it"},
	again: {"run-again", Should, "SPCI_MSG_SEND, SPCI_RX_RELEASE, HF_SPCI_RUN_WAKE_UP",
		"run the vCPU again that sent a message to another VM, freed a mailbox or woke another vCPU",
		"never ran it again"},
	abortWakes: {"abort-wakes", Must, "SPCI_ABORTED",
		"treat the other vCPUs of a VM that aborted as woken",
		"never ran it"},
	abortRests: {"abort-rests", Should, "SPCI_ABORTED",
		"leave a vCPU of a VM that aborted alone, once that is known",
		"ran it more than once"},
}
