package spc_test

import (
	"fmt"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/spc"
)

// A unit describes itself, and an initiator reads that.
func Example() {
	data := spc.AppendStandardInquiry(nil, &spc.StandardInquiry{
		Type: scsi.TypeDisk, CmdQue: true, Vendor: "EXAMPLE", Product: "Disk", Revision: "1.0",
		Descriptors: []uint16{spc.ClaimSAM5, spc.ClaimSPC4, spc.ClaimSBC3},
	})
	q, err := spc.ParseStandardInquiry(data)
	fmt.Println(len(data), q.Vendor, q.Product, q.Revision, err)
	// Output: 96 EXAMPLE Disk 1.0 <nil>
}

// Page 83h names the unit and the port.
func ExampleAppendVPD() {
	body := spc.AppendDesignators(nil, []spc.Designator{
		spc.LocalNAA(0x123456789),
		spc.RelativePort(scsi.ProtocolISCSI, 1),
		spc.NameString(spc.OfTarget, "iqn.2026-11.com.example:a").WithProtocol(scsi.ProtocolISCSI),
	})
	page, _ := spc.ParseVPD(spc.AppendVPD(nil, spc.Peripheral(spc.Connected, scsi.TypeDisk), spc.VPDIdentification, body))
	list, _ := spc.ParseDesignators(page.Body)
	for _, d := range list {
		fmt.Println(d)
	}
	// Output:
	// naa.3000000123456789
	// relative port 1
	// iqn.2026-11.com.example:a
}

// MODE SENSE answers with a header, a block descriptor and pages.
func ExampleModePages() {
	b := spc.AppendModeHeader(nil, spc.ModeHeader{DeviceSpecific: spc.ParameterDPOFUA, DescriptorLen: 8}, false)
	b = spc.AppendBlockDescriptor(b, spc.BlockDescriptor{Blocks: 2048, BlockSize: 512}, false)
	b = spc.AppendControlPage(b, &spc.ControlPage{QueueAlg: 1, TAS: true})
	b = spc.AppendExceptionsPage(b, &spc.ExceptionsPage{DExcpt: true})
	spc.SetModeLength(b, false)

	h, n, _ := spc.ParseModeHeader(b, false)
	for p, err := range spc.ModePages(b[n+h.DescriptorLen:]) {
		fmt.Printf("page %02x: % x %v\n", p.Page, p.Params, err)
	}
	// Output:
	// page 0a: 00 10 00 40 00 00 00 00 00 00 <nil>
	// page 1c: 08 00 00 00 00 00 00 00 00 00 <nil>
}

func ExampleAppendSupportedOpcodes() {
	var list []*scsi.OpInfo
	for o := range scsi.Ops(scsi.TypeDisk) {
		list = append(list, o)
	}
	r := spc.OpcodesRequest{Options: spc.ReportAction, Op: scsi.OpServiceActionIn16, Action: scsi.ActionReadCapacity16}
	b, _ := spc.AppendSupportedOpcodes(nil, r, list)
	o, _ := spc.ParseOneOpcode(b)
	fmt.Printf("%v % x\n", o.Supported, o.Usage)
	// Output: true 9e 10 ff ff ff ff ff ff ff ff ff ff ff ff 01 04
}
