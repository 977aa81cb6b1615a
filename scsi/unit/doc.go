// Package unit is the part of a logical unit that every peripheral device type shares: a
// table of commands with INQUIRY and its vital product data, MODE SENSE and SELECT with
// saved pages, REQUEST SENSE, TEST UNIT READY, SEND DIAGNOSTIC and, where there is a
// medium, START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL.
//
// A device type makes a Unit with New, adds its own commands with Handle, vital product
// data with AddVPD and mode pages with AddModePage, and forwards the methods of
// scsi.Handler and its optional interfaces to it. Device types import it; the engine and
// transports do not.
//
// What REPORT SUPPORTED OPERATION CODES says is made of the table that dispatches, and
// page 00h of the pages that are answered, so that neither can promise what is not there.
//
// # Concurrency
//
// The methods that set a Unit up (Handle, HandleAction, HandleInfo, AddVPD, AddModePage)
// are called before Describe, by one goroutine. All others are safe for concurrent use.
// MODE SELECT, Reset and Bind exclude each other; the Apply functions of mode pages run
// under that exclusion and must not call them.
package unit
