package pdu

// LogoutReason is the reason code of a Logout Request (RFC 7143 11.14.1).
type LogoutReason uint8

// Reasons for a logout.
const (
	LogoutCloseSession    LogoutReason = 0
	LogoutCloseConnection LogoutReason = 1
	LogoutForRecovery     LogoutReason = 2
)

// String names r as RFC 7143 does.
func (r LogoutReason) String() string {
	switch r {
	case LogoutCloseSession:
		return "Close the session"
	case LogoutCloseConnection:
		return "Close the connection"
	case LogoutForRecovery:
		return "Remove the connection for recovery"
	}
	return number("logout reason", uint64(r))
}

// LogoutResult is the response code of a Logout Response (RFC 7143 11.15.1).
type LogoutResult uint8

// Responses to a logout.
const (
	LogoutClosed       LogoutResult = 0
	LogoutCIDNotFound  LogoutResult = 1
	LogoutNoRecovery   LogoutResult = 2
	LogoutCleanupError LogoutResult = 3
)

// String names r as RFC 7143 does.
func (r LogoutResult) String() string {
	switch r {
	case LogoutClosed:
		return "Connection or session closed successfully"
	case LogoutCIDNotFound:
		return "CID not found"
	case LogoutNoRecovery:
		return "Connection recovery is not supported"
	case LogoutCleanupError:
		return "Cleanup failed"
	}
	return number("logout response", uint64(r))
}

// LogoutRequest is a Logout Request PDU (RFC 7143 11.14).
type LogoutRequest struct{ Request }

// LogoutRequest returns h seen as a Logout Request.
func (h *Header) LogoutRequest() LogoutRequest { return LogoutRequest{Request{h}} }

// InitLogoutRequest clears h and makes it a Logout Request.
func (h *Header) InitLogoutRequest(r LogoutReason) LogoutRequest {
	h.Init(OpLogoutReq)
	h[1] = flagFinal | byte(r&0x7F)
	return h.LogoutRequest()
}

// Reason returns the reason code, which may be a reserved one.
func (l LogoutRequest) Reason() LogoutReason { return LogoutReason(l.Header[1] & 0x7F) }

// CID returns the connection to be closed; it means nothing for LogoutCloseSession.
func (l LogoutRequest) CID() uint16 { return l.u16(20) }

// SetCID sets the connection to be closed.
func (l LogoutRequest) SetCID(id uint16) { l.setU16(20, id) }

// LogoutResponse is a Logout Response PDU (RFC 7143 11.15).
type LogoutResponse struct{ Response }

// LogoutResponse returns h seen as a Logout Response.
func (h *Header) LogoutResponse() LogoutResponse { return LogoutResponse{Response{h}} }

// InitLogoutResponse clears h and makes it a Logout Response.
func (h *Header) InitLogoutResponse(r LogoutResult) LogoutResponse {
	h.Init(OpLogoutResp)
	h.SetFinal(true)
	h[2] = byte(r)
	return h.LogoutResponse()
}

// Result returns the response code.
func (l LogoutResponse) Result() LogoutResult { return LogoutResult(l.Header[2]) }

// Times returns Time2Wait and Time2Retain in seconds.
func (l LogoutResponse) Times() (wait, retain uint16) { return l.u16(40), l.u16(42) }

// SetTimes sets Time2Wait and Time2Retain in seconds.
func (l LogoutResponse) SetTimes(wait, retain uint16) {
	l.setU16(40, wait)
	l.setU16(42, retain)
}
