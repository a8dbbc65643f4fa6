/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libvirt-guest.h"

#include <stdlib.h>
#include <string.h>

#include <viommu/error.h>
#include <viommu/json.h>

/* ---- what libvirt's errors mean ------------------------------------------------------------ */

static const char *
said(const libvirt_guest *self)
{
	const char *message = self->calls->virGetLastErrorMessage();

	return message ? message : "it does not say why";
}

static bool
is_denied(int code)
{
	return code == LIBVIRT_OPERATION_DENIED || code == LIBVIRT_AUTH_FAILED ||
	       code == LIBVIRT_AUTH_CANCELLED || code == LIBVIRT_ACCESS_DENIED ||
	       code == LIBVIRT_AUTH_UNAVAILABLE;
}

static bool
is_refusal(int code)
{
	return code == LIBVIRT_OPERATION_INVALID || code == LIBVIRT_OPERATION_TIMEOUT || is_denied(code);
}

static const char *
uri_of(const libvirt_guest *self)
{
	return self->uri ? self->uri : "its default URI";
}

static gboolean
fail_ended(const libvirt_guest *self, GError **error)
{
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CLOSED,
		"the guest \"%s\" of libvirt (%s) has ended, or was started anew, meanwhile; check with: "
		"virsh list --all",
		self->asked, uri_of(self));
	return FALSE;
}

/* Of a guest that was there. */
static gboolean
fail(const libvirt_guest *self, GError **error)
{
	int code = self->calls->virGetLastErrorCode();

	if (code == LIBVIRT_NO_DOMAIN || code == LIBVIRT_OPERATION_INVALID)
		return fail_ended(self, error);
	if (is_denied(code))
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_PERMISSION,
			"libvirt (%s) does not let you use the monitor of its guest \"%s\": %s; run as root, "
			"or as a user that may manage it",
			uri_of(self), self->asked, said(self));
	else if (code == LIBVIRT_OPERATION_TIMEOUT)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT,
			"libvirt (%s) is busy with its guest \"%s\": %s; try again when that has ended "
			"(virsh domjobinfo shows it)",
			uri_of(self), self->asked, said(self));
	else
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CLOSED,
			"libvirt (%s) could not ask its guest \"%s\": %s; check that libvirtd (or virtqemud) "
			"and the guest still run: virsh list",
			uri_of(self), self->asked, said(self));
	return FALSE;
}

/* ---- finding it ---------------------------------------------------------------------------- */

static gboolean
connect_libvirt(libvirt_guest *self, GError **error)
{
	char *uri;

	self->connection =
		self->calls->virConnectOpen(NULL); /* LIBVIRT_DEFAULT_URI, else its usual default */
	if (!self->connection && is_denied(self->calls->virGetLastErrorCode())) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_PERMISSION,
			"libvirt does not let you in: %s; run as root, or as a user that may manage its "
			"guests (often the group libvirt)",
			said(self));
		return FALSE;
	}
	if (!self->connection) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
			"libvirt cannot be reached: %s; check that libvirtd (or virtqemud) runs, and that "
			"LIBVIRT_DEFAULT_URI, %s, names it; "
			"virsh list goes the same way",
			said(self), g_getenv("LIBVIRT_DEFAULT_URI") ? "which is set" : "when it is set");
		return FALSE;
	}
	uri = self->calls->virConnectGetURI(self->connection);
	self->uri = g_strdup(uri);
	free(uri);
	return TRUE;
}

static bool
is_uuid(const char *text)
{
	return strlen(text) == LIBVIRT_UUID_SIZE - 1 &&
	       strspn(text, "0123456789abcdefABCDEF-") == strlen(text);
}

/* FALSE with error; found or not: self->domain. */
static gboolean
take(libvirt_guest *self, void *domain, GError **error)
{
	char uuid[LIBVIRT_UUID_SIZE] = "";

	if (!domain)
		return self->calls->virGetLastErrorCode() == LIBVIRT_NO_DOMAIN || fail(self, error);
	if (self->calls->virDomainGetUUIDString(domain, uuid) != 0) {
		self->calls->virDomainFree(domain);
		return fail(self, error);
	}
	if (self->domain && strcmp(uuid, self->uuid) != 0) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE,
			"\"%s\" is the name of one guest of libvirt (%s) and the id or UUID of another: name "
			"it by its UUID, %s or %s",
			self->asked, uri_of(self), self->uuid, uuid);
		self->calls->virDomainFree(domain);
		return FALSE;
	}
	if (self->domain)
		self->calls->virDomainFree(self->domain);
	self->domain = domain;
	memcpy(self->uuid, uuid, sizeof(uuid));
	return TRUE;
}

static gboolean
look_up(libvirt_guest *self, GError **error)
{
	const libvirt_calls *calls = self->calls;
	guint64 id = 0;

	if (!take(self, calls->virDomainLookupByName(self->connection, self->asked), error) ||
		(is_uuid(self->asked) &&
			!take(self, calls->virDomainLookupByUUIDString(self->connection, self->asked),
				error)) ||
		(g_ascii_string_to_unsigned(self->asked, 10, 0, G_MAXINT, &id, NULL) &&
			!take(self, calls->virDomainLookupByID(self->connection, (int) id), error)))
		return FALSE;
	if (self->domain)
		return TRUE;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
		"libvirt (%s) has no guest \"%s\"; virsh list shows those that it has, and "
		"LIBVIRT_DEFAULT_URI=qemu:///system or "
		"qemu:///session names another libvirt",
		uri_of(self), self->asked);
	return FALSE;
}

gboolean
libvirt_guest_open(libvirt_guest *self, const libvirt_calls *calls, const char *asked, GError **error)
{
	*self = (libvirt_guest){ .calls = calls, .asked = asked };
	if (!connect_libvirt(self, error) || !look_up(self, error))
		return FALSE;
	self->id = (int) calls->virDomainGetID(self->domain);
	if (self->id >= 0)
		return TRUE;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT,
		"the guest \"%s\" of libvirt (%s) is not running; start it with: virsh start %s", asked,
		uri_of(self), self->uuid);
	return FALSE;
}

void
libvirt_guest_clear(libvirt_guest *self)
{
	if (self->domain)
		self->calls->virDomainFree(self->domain);
	if (self->connection)
		self->calls->virConnectClose(self->connection);
	g_free(self->uri);
	*self = (libvirt_guest){ 0 };
}

/* ---- asking it ----------------------------------------------------------------------------- */

/* libvirt asks whichever QEMU the guest has by now; ids are not given out twice. */
static gboolean
is_same_run(const libvirt_guest *self, GError **error)
{
	char uuid[LIBVIRT_UUID_SIZE] = "";
	void *domain = self->calls->virDomainLookupByID(self->connection, self->id);
	bool same = domain && self->calls->virDomainGetUUIDString(domain, uuid) == 0 &&
		    strcmp(uuid, self->uuid) == 0;

	if (!domain)
		return fail(self, error);
	self->calls->virDomainFree(domain);
	return same || fail_ended(self, error);
}

/* libvirt gives the command an id of its own, and refuses one that has one. */
static char *
ask(const libvirt_guest *self, const json_t *command, GError **error)
{
	json_t *bare = json_copy((json_t *) command);
	char *text, *ret = NULL;
	int status;

	json_object_del(bare, "id");
	text = json_dumps(bare, JSON_COMPACT);
	json_decref(bare);
	status = text ? self->calls->virDomainQemuMonitorCommand(self->domain, text, &ret, 0) : -1;
	free(text);
	if (status == 0 && ret)
		return ret;
	free(ret);
	fail(self, error);
	return NULL;
}

json_t *
libvirt_guest_execute(libvirt_guest *self, const json_t *command, GError **error)
{
	const char *name = json_string_value(json_object_get(command, "execute"));
	bool stop = g_strcmp0(name, "stop") == 0, cont = g_strcmp0(name, "cont") == 0;
	json_t *ret;
	char *text;

	/* libvirt stays the one who knows that it is stopped, and holds locks of disks meanwhile. */
	if (stop || cont) {
		if ((stop ? self->calls->virDomainSuspend : self->calls->virDomainResume)(self->domain) == 0)
			return is_same_run(self, error) ? json_pack("{s:{}}", "return") : NULL;
		/* An answer that it was not done, as QMP would give it: the guest may be migrating, or busy. */
		if (is_refusal(self->calls->virGetLastErrorCode()))
			return json_pack("{s:{s:s, s:s}}", "error", "class", "GenericError", "desc", said(self));
		fail(self, error);
		return NULL;
	}
	text = ask(self, command, error);
	if (!text)
		return NULL;
	if (!is_same_run(self, error)) {
		free(text);
		return NULL;
	}
	ret = viommu_json_load(text, strlen(text), JSON_REJECT_DUPLICATES, NULL);
	free(text);
	if (json_object_get(ret, "return") || json_is_object(json_object_get(ret, "error")))
		return ret;
	json_decref(ret);
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_PROTOCOL,
		"what libvirt (%s) passed on from its guest \"%s\" is no answer of QMP; is it a guest of "
		"QEMU?",
		uri_of(self), self->asked);
	return NULL;
}
