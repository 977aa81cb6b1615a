package pdu

// Version is the only version of iSCSI (RFC 7143 11.12.4).
const Version = 0x00

// Stage is a phase of a connection as coded in CSG and NSG (RFC 7143 11.12.3).
type Stage uint8

// Stages. The value 2 is reserved.
const (
	StageSecurity    Stage = 0
	StageOperational Stage = 1
	StageFullFeature Stage = 3
)

// String names s as RFC 7143 does.
func (s Stage) String() string {
	switch s {
	case StageSecurity:
		return "SecurityNegotiation"
	case StageOperational:
		return "LoginOperationalNegotiation"
	case StageFullFeature:
		return "FullFeaturePhase"
	}
	return number("stage", uint64(s))
}

// ISID is the initiator's part of a session identifier (RFC 7143 11.12.5).
type ISID [6]byte

// LoginStatus is Status-Class<<8 | Status-Detail of a Login Response (RFC 7143 11.13.5).
type LoginStatus uint16

// Login statuses.
const (
	LoginSuccess            LoginStatus = 0x0000
	LoginMovedTemporarily   LoginStatus = 0x0101
	LoginMovedPermanently   LoginStatus = 0x0102
	LoginInitiatorError     LoginStatus = 0x0200
	LoginAuthFailure        LoginStatus = 0x0201
	LoginForbidden          LoginStatus = 0x0202
	LoginNotFound           LoginStatus = 0x0203
	LoginTargetRemoved      LoginStatus = 0x0204
	LoginBadVersion         LoginStatus = 0x0205
	LoginTooManyConnections LoginStatus = 0x0206
	LoginMissingParameter   LoginStatus = 0x0207
	LoginCannotInclude      LoginStatus = 0x0208
	LoginBadSessionType     LoginStatus = 0x0209
	LoginNoSession          LoginStatus = 0x020A
	LoginInvalidRequest     LoginStatus = 0x020B
	LoginTargetError        LoginStatus = 0x0300
	LoginUnavailable        LoginStatus = 0x0301
	LoginOutOfResources     LoginStatus = 0x0302
)

// Class returns the Status-Class: 0 success, 1 redirection, 2 initiator error, 3 target
// error.
func (s LoginStatus) Class() uint8 { return uint8(s >> 8) }

// Detail returns the Status-Detail.
func (s LoginStatus) Detail() uint8 { return uint8(s) }

// String names s as RFC 7143 does.
func (s LoginStatus) String() string {
	switch s {
	case LoginSuccess:
		return "Success"
	case LoginMovedTemporarily:
		return "Target moved temporarily"
	case LoginMovedPermanently:
		return "Target moved permanently"
	case LoginInitiatorError:
		return "Initiator error"
	case LoginAuthFailure:
		return "Authentication failure"
	case LoginForbidden:
		return "Authorization failure"
	case LoginNotFound:
		return "Not found"
	case LoginTargetRemoved:
		return "Target removed"
	case LoginBadVersion:
		return "Unsupported version"
	case LoginTooManyConnections:
		return "Too many connections"
	case LoginMissingParameter:
		return "Missing parameter"
	case LoginCannotInclude:
		return "Can't include in session"
	case LoginBadSessionType:
		return "Session type not supported"
	case LoginNoSession:
		return "Session does not exist"
	case LoginInvalidRequest:
		return "Invalid during login"
	case LoginTargetError:
		return "Target error"
	case LoginUnavailable:
		return "Service unavailable"
	case LoginOutOfResources:
		return "Out of resources"
	}
	return number("login status", uint64(s))
}

// LoginRequest is a Login Request PDU (RFC 7143 11.12).
type LoginRequest struct{ Request }

// LoginRequest returns h seen as a Login Request.
func (h *Header) LoginRequest() LoginRequest { return LoginRequest{Request{h}} }

// InitLoginRequest clears h and makes it a Login Request, which is always immediate.
func (h *Header) InitLoginRequest() LoginRequest {
	h.Init(OpLoginRequest)
	h.SetImmediate(true)
	return h.LoginRequest()
}

// Transit reports whether the T bit is set: the initiator is ready for the stage NSG.
func (l LoginRequest) Transit() bool { return l.Final() }

// Continue reports whether the C bit is set: the text goes on in the next request.
func (l LoginRequest) Continue() bool { return l.bit(1, flagContinue) }

// SetContinue sets or clears the C bit.
func (l LoginRequest) SetContinue(on bool) { l.setBit(1, flagContinue, on) }

// CSG returns the current stage, which may be the reserved one.
func (l LoginRequest) CSG() Stage { return Stage(l.Header[1] >> 2 & 3) }

// NSG returns the next stage; it means something if Transit.
func (l LoginRequest) NSG() Stage { return Stage(l.Header[1] & 3) }

// SetStages sets CSG, NSG and the T bit.
func (l LoginRequest) SetStages(csg, nsg Stage, transit bool) {
	l.setStages(csg, nsg, transit)
}

// VersionMax returns the highest version that the initiator speaks.
func (l LoginRequest) VersionMax() uint8 { return l.Header[2] }

// VersionMin returns the lowest version that the initiator speaks.
func (l LoginRequest) VersionMin() uint8 { return l.Header[3] }

// SetVersions sets the versions that the initiator speaks.
func (l LoginRequest) SetVersions(highest, lowest uint8) {
	l.Header[2], l.Header[3] = highest, lowest
}

// ISID returns the initiator's part of the session identifier.
func (l LoginRequest) ISID() ISID { return ISID(l.Header[8:14]) }

// SetISID sets the initiator's part of the session identifier.
func (l LoginRequest) SetISID(id ISID) { copy(l.Header[8:14], id[:]) }

// TSIH returns the target's session handle, 0 for a new session.
func (l LoginRequest) TSIH() uint16 { return l.u16(14) }

// SetTSIH sets the target's session handle.
func (l LoginRequest) SetTSIH(id uint16) { l.setU16(14, id) }

// CID returns the connection identifier.
func (l LoginRequest) CID() uint16 { return l.u16(20) }

// SetCID sets the connection identifier.
func (l LoginRequest) SetCID(id uint16) { l.setU16(20, id) }

// LoginResponse is a Login Response PDU (RFC 7143 11.13). StatSN and the command window
// mean something if Status is LoginSuccess.
type LoginResponse struct{ Response }

// LoginResponse returns h seen as a Login Response.
func (h *Header) LoginResponse() LoginResponse { return LoginResponse{Response{h}} }

// InitLoginResponse clears h and makes it a Login Response of version 0.
func (h *Header) InitLoginResponse() LoginResponse {
	h.Init(OpLoginResponse)
	return h.LoginResponse()
}

// Transit reports whether the T bit is set: the connection is in the stage NSG now.
func (l LoginResponse) Transit() bool { return l.Final() }

// Continue reports whether the C bit is set: the text goes on in the next response.
func (l LoginResponse) Continue() bool { return l.bit(1, flagContinue) }

// SetContinue sets or clears the C bit.
func (l LoginResponse) SetContinue(on bool) { l.setBit(1, flagContinue, on) }

// CSG returns the current stage.
func (l LoginResponse) CSG() Stage { return Stage(l.Header[1] >> 2 & 3) }

// NSG returns the next stage; it means something if Transit.
func (l LoginResponse) NSG() Stage { return Stage(l.Header[1] & 3) }

// SetStages sets CSG, NSG and the T bit.
func (l LoginResponse) SetStages(csg, nsg Stage, transit bool) {
	l.setStages(csg, nsg, transit)
}

// VersionMax returns the highest version that the target speaks.
func (l LoginResponse) VersionMax() uint8 { return l.Header[2] }

// VersionActive returns the version in use.
func (l LoginResponse) VersionActive() uint8 { return l.Header[3] }

// SetVersions sets the highest version that the target speaks and the one in use.
func (l LoginResponse) SetVersions(highest, active uint8) {
	l.Header[2], l.Header[3] = highest, active
}

// ISID returns the initiator's part of the session identifier.
func (l LoginResponse) ISID() ISID { return ISID(l.Header[8:14]) }

// SetISID sets the initiator's part of the session identifier.
func (l LoginResponse) SetISID(id ISID) { copy(l.Header[8:14], id[:]) }

// TSIH returns the target's session handle.
func (l LoginResponse) TSIH() uint16 { return l.u16(14) }

// SetTSIH sets the target's session handle.
func (l LoginResponse) SetTSIH(id uint16) { l.setU16(14, id) }

// Status returns Status-Class and Status-Detail.
func (l LoginResponse) Status() LoginStatus { return LoginStatus(l.u16(36)) }

// SetStatus sets Status-Class and Status-Detail.
func (l LoginResponse) SetStatus(s LoginStatus) { l.setU16(36, uint16(s)) }

func (h *Header) setStages(csg, nsg Stage, transit bool) {
	h[1] = h[1]&flagContinue | byte(csg&3)<<2 | byte(nsg&3)
	h.setBit(1, flagFinal, transit)
}
