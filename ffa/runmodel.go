package ffa

// moves is what a call would do to the run state of the vCPU that makes it.
type moves uint8

// The moves. A call that leaves the vCPU running is allowed always.
const (
	stays        moves = iota
	moveWaits          // ends its run until there is something to do for it
	movePolls          // takes a message of version 1.0
	moveYields         // gives the pCPU back
	moveRequests       // waits for another vCPU that serves its request
	moveResponds       // answers the request that it serves
	moveRuns           // goes on with a request that another vCPU serves for it
	moveSends          // sends a message of version 1.0, for which a secondary leaves
	moveFails          // could not initialise
)

// runtimeModel says under which rules a vCPU runs (DEN0077A §8.3).
type runtimeModel uint8

// The run-time models. The primary's vCPUs are in theInitialModel for ever: nobody runs them.
const (
	theInitialModel runtimeModel = iota // until the first wait
	theRunModel                         // by FFA_RUN
	theDirectModel                      // serves a direct request
	runtimeModelCount
)

// moveSet is a set of moves.
type moveSet uint16

func set(ms ...moves) (s moveSet) {
	for _, m := range ms {
		s |= 1 << m
	}
	return s
}

func (s moveSet) allows(m moves) bool { return s>>m&1 != 0 }

// runtimeModels are the moves that each model allows. Every other one is denied.
var runtimeModels = [runtimeModelCount]moveSet{
	theInitialModel: set(stays, moveWaits, movePolls, moveYields, moveRequests, moveRuns, moveSends, moveFails),
	theRunModel:     set(stays, moveWaits, movePolls, moveYields, moveRequests, moveRuns, moveSends),
	theDirectModel:  set(stays, moveYields, moveRequests, moveResponds, moveRuns),
}
