// Package iscsitest is an iSCSI initiator for tests (RFC 7143): what net/http/httptest
// is to a server, it is to a target.
//
// Tests of programs that serve targets import it. It logs in, sends any CDB with data in
// one direction, keeps many commands in progress, and checks what it receives: sequence
// numbers, offsets, digests and lengths. It has one connection, ErrorRecoveryLevel 0 and
// no authentication, and it tries nothing twice: a broken rule ends the session.
package iscsitest
