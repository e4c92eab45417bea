# Everyday Python 2: files with a b, errors that are looked into, pairs in a lambda, settings that are executed.
import cPickle, csv, os, shutil, sys, tempfile, threading, time, urllib2
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log

SETTINGS = 'PORTS = range(8000, 8007)\nHALF = len(PORTS) / 2\nprint "settings with %d ports" % len(PORTS),\nprint\n'


class Asker(threading.Thread):
    def __init__(self, node, names):
        threading.Thread.__init__(self)
        self.node, self.names, self._stop = node, names, False

    def run(self):
        self.names.append(self.node.ssh.execute('hostname')[0])
        self._stop = True


class Habits(ClusterSetup):
    def errors(self):
        try:
            open('/no/such/file')
        except IOError, e:
            first = e
        try:
            try:
                {}['a']
            except:
                t, v, tb = sys.exc_info()
                raise t, v, tb
        except KeyError, e:
            return '%d %s %s' % (first[0], first[1], e.message)

    def run(self, nodes, master, user, user_shell, volumes):
        here = tempfile.mkdtemp()
        settings = {}
        open(os.path.join(here, 'settings'), 'wb').write(SETTINGS)
        execfile(os.path.join(here, 'settings'), settings)
        cPickle.dump(dict([(n.alias, `n.is_master()`) for n in nodes]), open(os.path.join(here, 'p'), 'wb'))
        found = cPickle.load(open(os.path.join(here, 'p'), 'rb')).items()
        found.sort(lambda (a, x), (b, y): cmp(b, a))
        w = csv.writer(open(os.path.join(here, 'c.csv'), 'wb'))
        map(w.writerow, found)
        del w
        nodes.remove(master)
        names = []
        threads = [Asker(n, names) for n in nodes]
        for t in threads: t.setDaemon(True); t.start()
        while filter(None, [t.isAlive() for t in threads]): time.sleep(0.01)
        f = master.ssh.remote_file('/var/tmp/habits', 'wb')
        for alias in names: print >>f, alias,
        print >>f
        print >>f, self.errors()
        f.write(urllib2.urlopen('file://' + os.path.join(here, 'c.csv')).read().replace('\r', ''))
        exec "text = 'half of them: %d' % HALF" in settings
        f.write(settings['text'] + '\n')
        shutil.rmtree(here)
