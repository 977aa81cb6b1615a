// Package pdu reads and writes the headers of iSCSI protocol data units
// (RFC 7143 11) without allocating.
//
// A [Header] is the 48-byte basic header segment. A view such as [SCSICommand]
// is one pointer to a Header with the accessors of its PDU type: h.SCSICommand()
// reads what arrived, h.InitSCSIResponse() clears h and starts a new PDU. A view
// never copies: it lives and changes with its Header. Fields that sit in the same
// place in all PDUs are methods of Header, those of all requests or of all
// responses are methods of [Request] and [Response], which the views embed.
//
// Every accessor is total: any 48 bytes can be read through any view. Whether they
// make sense is a question of its own, answered by [CheckRequest].
//
// The package also has the additional header segments ([ParseAHS], [AppendExtendedCDB],
// [AppendBidiReadLength]), the CRC32C digests ([CRC], [CRCVec]) and the serial number
// arithmetic of RFC 1982 ([Less], [Diff]).
//
// Headers and views have no locks: a Header belongs to one goroutine at a time.
//
// The package is used by fabric/iscsi and by tests that play an initiator. It imports
// the standard library only and knows nothing of sessions or negotiation.
package pdu
