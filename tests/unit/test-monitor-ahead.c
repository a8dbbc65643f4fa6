/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that are sent before the answers to others have come. */
#include <viommu/monitor.h>

#include "helpers.h"
#include "peer.h"

/* Takes all commands before the first answer. */
static void
takes_all_first(peer *self, G_GNUC_UNUSED gpointer user)
{
	static const char *const names[] = { "query-status", "query-kvm", "query-pci", "query-status" };

	peer_greet(self);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		json_t *command = peer_command(self);

		g_assert_cmpstr(json_string_value(json_object_get(command, "execute")), ==, names[i]);
		g_assert_cmpint(json_integer_value(json_object_get(command, "id")), ==, (json_int_t) i + 2);
		json_decref(command);
	}
	peer_send(self, PEER_EVENT "{\"return\": \"a\", \"id\": 2}" PEER_EVENT "{\"return\": \"b\", \"id\": 3}");
	peer_send(self, "{\"return\": \"c\", \"id\": 4}{\"return\": \"d\", \"id\": 5}");
	peer_answer(self, "query-kvm", "\"e\"");
}

static void
test_ahead(void)
{
	g_autoptr(peer) p = peer_unix(takes_all_first, NULL);
	g_autoptr(viommu_monitor) monitor = peer_open(p);

	viommu_monitor_ahead(monitor, "query-status", NULL);
	viommu_monitor_ahead(monitor, "query-kvm", NULL);
	viommu_monitor_ahead(monitor, "quit", NULL); /* not on the list */
	viommu_monitor_ahead(monitor, "query-pci", NULL);
	viommu_monitor_ahead(monitor, "query-status", NULL);
	peer_expect(monitor, "query-status", "\"a\"");
	peer_expect(monitor, "query-kvm", "\"b\"");
	peer_expect(monitor, "query-pci", "\"c\"");
	peer_expect(monitor, "query-status", "\"d\"");
	g_assert_cmpuint(viommu_monitor_round_trips(monitor), ==, 2);
	peer_expect(monitor, "query-kvm", "\"e\"");
	g_assert_cmpuint(viommu_monitor_round_trips(monitor), ==, 3);
}

static void
several_in_order(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_greet(self);
	peer_answer(self, "query-status", "\"old\"");
	peer_answer(self, "query-kvm", "\"kvm\"");
	peer_answer(self, "query-pci", "\"old\"");
	peer_answer(self, "query-pci", "\"new\"");
	peer_answer(self, "query-status", "\"new\"");
}

/* An answer that was passed over, or forgotten, is not taken for news. */
static void
test_ahead_passed_over(void)
{
	g_autoptr(peer) p = peer_unix(several_in_order, NULL);
	g_autoptr(viommu_monitor) monitor = peer_open(p);

	viommu_monitor_ahead(monitor, "query-status", NULL);
	viommu_monitor_ahead(monitor, "query-kvm", NULL);
	viommu_monitor_ahead(monitor, "query-pci", NULL);
	peer_expect(monitor, "query-kvm", "\"kvm\"");
	viommu_monitor_forget_ahead(monitor);
	peer_expect(monitor, "query-pci", "\"new\"");
	peer_expect(monitor, "query-status", "\"new\"");
}

static void
two_texts(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_greet(self);
	peer_answer(self, "human-monitor-command", "\"a\"");
	peer_answer(self, "human-monitor-command", "\"\"");
}

/* The same command with other arguments is another. */
static void
test_ahead_arguments(void)
{
	g_autoptr(peer) p = peer_unix(two_texts, NULL);
	g_autoptr(viommu_monitor) monitor = peer_open(p);
	g_autofree char *first = NULL;

	viommu_monitor_hmp_ahead(monitor, "xp /4gx 0x1000");
	first = viommu_monitor_hmp(monitor, "info pci", NULL); /* the answer to the second command */
	g_assert_cmpstr(first, ==, "");
	g_assert_cmpuint(viommu_monitor_round_trips(monitor), ==, 2);
}

static void
answers_one_refuses_one(peer *self, G_GNUC_UNUSED gpointer user)
{
	peer_greet(self);
	peer_answer(self, "query-status", "1");
	json_decref(peer_command(self));
	peer_send(self, "{\"id\": 3, \"error\": {\"desc\": \"no\"}}");
	json_decref(peer_command(self));
	peer_close(self);
}

/* Each command ends in its own way, also when all went out together. */
static void
test_ahead_fails(void)
{
	g_autoptr(peer) p = peer_unix(answers_one_refuses_one, NULL);
	g_autoptr(viommu_monitor) monitor = peer_open(p);
	g_autoptr(GError) error = NULL;

	viommu_monitor_ahead(monitor, "query-status", NULL);
	viommu_monitor_ahead(monitor, "query-kvm", NULL);
	viommu_monitor_ahead(monitor, "query-pci", NULL);
	viommu_monitor_hmp_ahead(monitor, "info qtree");
	peer_expect(monitor, "query-status", "1");
	g_assert_null(viommu_monitor_execute(monitor, "query-kvm", NULL, &error));
	unit_error(&error, VIOMMU_ERROR_QEMU, "QEMU refused query-kvm: no");
	g_assert_null(viommu_monitor_execute(monitor, "query-pci", NULL, &error));
	unit_error(&error, VIOMMU_ERROR_CLOSED, "waited for its answer to \"query-pci\"");
	g_assert_null(viommu_monitor_hmp(monitor, "info qtree", &error));
	unit_error(&error, VIOMMU_ERROR_CLOSED, "the monitor is gone");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/monitor/ahead", test_ahead);
	g_test_add_func("/monitor/ahead-passed-over", test_ahead_passed_over);
	g_test_add_func("/monitor/ahead-arguments", test_ahead_arguments);
	g_test_add_func("/monitor/ahead-fails", test_ahead_fails);
	return g_test_run();
}
