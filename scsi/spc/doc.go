// Package spc has the parameter data of the SCSI primary commands: INQUIRY and its
// vital product data pages, mode and log pages, REPORT LUNS, REPORT SUPPORTED OPERATION
// CODES, target port groups.
//
// Device types, the engine and initiators import it. It is pure: AppendX builds, ParseX
// reads, nothing is kept, nothing blocks, and no input makes it panic. What ParseX returns
// may share memory with its argument. Everything is safe for concurrent use.
//
// # Pages and bodies
//
// A vital product data page is a header and a body. Functions such as
// AppendExtendedInquiry make bodies, and AppendVPD puts the header before one, so that
// pages of other standards and of vendors are made in the same way:
//
//	page := spc.AppendVPD(nil, spc.Peripheral(spc.Connected, scsi.TypeDisk), spc.VPDSerial, []byte("0001"))
//
// A mode page is always handled as it stands in a parameter list, its header included.
package spc
