package pdu_test

import (
	"fmt"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// A target answers a NOP-Out: it reads the request through one view and builds the
// response through another, in place and without allocating.
func Example() {
	var req, resp pdu.Header
	req.InitNOPOut().SetITT(7)

	if reason := pdu.CheckRequest(&req); reason != pdu.RejectNone {
		fmt.Println(reason)
		return
	}
	nop := resp.InitNOPIn()
	nop.SetITT(req.ITT())
	nop.SetStatSN(req.NOPOut().ExpStatSN())
	nop.SetWindow(1, 32)
	fmt.Println(req.Opcode(), "is answered by", resp.Opcode(), "with tag", nop.ITT())
	// Output: NOP-Out is answered by NOP-In with tag 7
}
