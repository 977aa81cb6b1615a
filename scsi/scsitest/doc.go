// Package scsitest tests device types without an engine: a Recorder runs commands against
// a scsi.Handler as net/http/httptest runs requests, and TestHandler checks what every
// logical unit owes its initiators, whatever its type.
//
// Only tests import it.
package scsitest
