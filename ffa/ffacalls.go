package ffa

import (
	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// The calls, by the place of their SMC32 form behind ffaError. Rows without a function are not supported.
var ffaCalls [ffaCount]ffaCall

const (
	v10 = wire.Version10
	v11 = wire.Version11
	v12 = wire.Version12
)

// The table is filled in by init because FEATURES reads it.
func init() {
	for fn, call := range map[hypercall.FuncID]ffaCall{
		ffaError:               {form32, v10, 0, notThePrimary, moveFails, "", 0, (*ffa).failed},
		ffaVersion:             {form32, v10, 0, everyone, stays, "1", 0, (*ffa).version},
		ffaFeatures:            {form32, v10, 0, everyone, stays, "1", 0, (*ffa).features},
		ffaRXRelease:           {form32, v10, 0, everyone, stays, "1", 0, (*ffa).rxRelease},
		ffaRXTXMap:             {bothForms, v10, 0, everyone, stays, "123", maxMailboxPages << 16, (*ffa).rxtxMap},
		ffaRXTXUnmap:           {form32, v10, 0, everyone, stays, "1", 0, (*ffa).rxtxUnmap},
		ffaPartitionInfoGet:    {form32, v10, 0, everyone, stays, "12345", 0, (*ffa).partitionInfoGet},
		ffaPartitionInfoRegs:   {form64, v12, 0, everyone, stays, "123", 0, (*ffa).partitionInfoRegs},
		ffaIDGet:               {form32, v10, 0, everyone, stays, "", 0, (*ffa).idGet},
		ffaSecondaryEPRegister: {bothForms, v11, 0, securePartitions, stays, "1", 0, (*ffa).secondaryEPRegister},
		ffaSPMIDGet:            {form32, v11, 0, securePartitions, stays, "", 0, (*ffa).spmIDGet},
		ffaConsoleLog:          {bothForms, v10, 0, everyone, stays, "1", 0, (*ffa).consoleLog},
		ffaMsgWait:             {form32, v10, 0, notThePrimary, moveWaits, "2", 0, (*ffa).msgWait},
		ffaYield:               {form32, v10, 0, everyone, moveYields, "23", 0, (*ffa).yielding},
		ffaRun:                 {form32, v10, 0, everyone, moveRuns, "1", 0, (*ffa).running},
		ffaMsgSend:             {form32, v10, v11, everyone, moveSends, "134", 0, (*ffa).msgSend},
		ffaMsgPoll:             {form32, v10, v11, notThePrimary, movePolls, "", 0, (*ffa).msgPoll},
		ffaDirectReq:           {bothForms, v10, 0, everyone, moveRequests, "1234567", 0, (*ffa).directRequest},
		ffaDirectResp:          {bothForms, v10, 0, notThePrimary, moveResponds, "1234567", 0, (*ffa).directResponse},
		ffaDirectReq2:          {form64, v12, 0, everyone, moveRequests, "123", 0, (*ffa).directRequest2},
		ffaDirectResp2:         {form64, v12, 0, notThePrimary, moveResponds, "123", 0, (*ffa).directResponse},
		ffaMemDonate:           {bothForms, v10, 0, everyone, stays, "1234", 0, (*ffa).memSend},
		ffaMemLend:             {bothForms, v10, 0, everyone, stays, "1234", 0, (*ffa).memSend},
		ffaMemShare:            {bothForms, v10, 0, everyone, stays, "1234", 0, (*ffa).memSend},
		ffaMemRetrieveReq:      {bothForms, v10, 0, everyone, stays, "1234", 0, (*ffa).memRetrieve},
		ffaMemRelinquish:       {form32, v10, 0, everyone, stays, "", 0, (*ffa).memRelinquish},
		ffaMemReclaim:          {form32, v10, 0, everyone, stays, "123", 0, (*ffa).memReclaim},
		ffaMemFragRX:           {form32, v10, 0, everyone, stays, "1234", 0, (*ffa).memFragRX},
		ffaMemFragTX:           {form32, v10, 0, everyone, stays, "1234", 0, (*ffa).memFragTX},

		ffaMsgSend2: {form32, v11, 0, everyone, stays, "12", 0, (*ffa).msgSend2},

		ffaNotificationBind:    {form32, v11, 0, everyone, stays, "1234", 0, (*ffa).notificationBind},
		ffaNotificationUnbind:  {form32, v11, 0, everyone, stays, "134", 0, (*ffa).notificationUnbind},
		ffaNotificationSet:     {form32, v11, 0, everyone, stays, "1234", 0, (*ffa).notificationSet},
		ffaNotificationGet:     {form32, v11, 0, everyone, stays, "12", 0, (*ffa).notificationGet},
		ffaNotificationInfoGet: {bothForms, v11, 0, everyone, stays, "", 0, (*ffa).notificationInfoGet},
	} {
		ffaCalls[fn-ffaError] = call
	}
}
