package sdei

// state is a handler's state: the bits that EVENT_STATUS returns (DEN0054C §5.1.9). That an event is
// pending is no part of it.
type state uint8

const (
	registered state = 1 << iota
	enabled
	running

	numStates = 8
)

// operation is what may happen to the state.
type operation uint8

const (
	opRegister operation = iota
	opEnable
	opDisable
	opUnregister
	opRoutingSet
	opRelease
	opDispatch
	opComplete
	numOperations
)

// step is the result of an operation and the state after it.
type step struct {
	result result
	next   state
}

// steps is the state machine (DEN0054C §6.1), by state and operation. States 010 and 110 running do not
// exist: enabled implies registered. Nobody dispatches what is not 011, nor completes what does not run.
var steps = [numStates][numOperations]step{
	0: {
		opRegister:   {success, registered},
		opEnable:     {denied, 0},
		opDisable:    {denied, 0},
		opUnregister: {denied, 0},
		opRoutingSet: {denied, 0},
		opRelease:    {success, 0},
	},
	registered: {
		opRegister:   {denied, registered},
		opEnable:     {success, registered | enabled},
		opDisable:    {success, registered},
		opUnregister: {success, 0},
		opRoutingSet: {success, registered},
		opRelease:    {denied, registered},
	},
	registered | enabled: {
		opRegister:   {denied, registered | enabled},
		opEnable:     {success, registered | enabled},
		opDisable:    {success, registered},
		opUnregister: {success, 0},
		opRoutingSet: {denied, registered | enabled},
		opRelease:    {denied, registered | enabled},
		opDispatch:   {success, registered | enabled | running},
	},
	registered | enabled | running: {
		opRegister:   {denied, registered | enabled | running},
		opEnable:     {success, registered | enabled | running},
		opDisable:    {success, registered | running},
		opUnregister: {pending, running},
		opRoutingSet: {denied, registered | enabled | running},
		opRelease:    {denied, registered | enabled | running},
		opComplete:   {success, registered | enabled},
	},
	registered | running: {
		opRegister:   {denied, registered | running},
		opEnable:     {success, registered | enabled | running},
		opDisable:    {success, registered | running},
		opUnregister: {pending, running},
		opRoutingSet: {denied, registered | running},
		opRelease:    {denied, registered | running},
		opComplete:   {success, registered},
	},
	running: { // its unregistration waits for the handler
		opRegister:   {denied, running},
		opEnable:     {denied, running},
		opDisable:    {denied, running},
		opUnregister: {pending, running},
		opRoutingSet: {denied, running},
		opRelease:    {denied, running},
		opComplete:   {success, 0},
	},
}

// exists reports whether a handler can be in s.
func (s state) exists() bool { return s < numStates && (s&enabled == 0 || s&registered != 0) }
