// The JVM reference: Parallel Consumer, ordering by key. Reports what the Python subjects report (benchmarks/meter.py).
// Arguments: bootstrap topic group count limitSeconds concurrency sleepMillis spawnedEpochSeconds

import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Drain {
    public static void main(String[] a) throws Exception {
        long count = Long.parseLong(a[3]);
        double limit = Double.parseDouble(a[4]);
        int concurrency = Integer.parseInt(a[5]);
        long sleep = Long.parseLong(a[6]);
        double spawned = Double.parseDouble(a[7]);

        Properties settings = new Properties();
        settings.put("bootstrap.servers", a[0]);
        settings.put("group.id", a[2]);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        // Keys as text: it compares keys by equals, and two equal byte arrays are not equal in Java.
        KafkaConsumer<String, byte[]> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
        ParallelStreamProcessor<String, byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(
                ParallelConsumerOptions.<String, byte[]>builder()
                        .ordering(ProcessingOrder.KEY)
                        .maxConcurrency(concurrency)
                        .consumer(consumer)
                        .build());

        AtomicLong began = new AtomicLong();
        AtomicLong done = new AtomicLong();
        AtomicLong violations = new AtomicLong();
        AtomicInteger running = new AtomicInteger();
        AtomicInteger peak = new AtomicInteger();
        Set<String> busy = ConcurrentHashMap.newKeySet();
        ConcurrentHashMap<String, Long> last = new ConcurrentHashMap<>();
        CountDownLatch first = new CountDownLatch(1);
        CountDownLatch all = new CountDownLatch(1);
        double[] firstAt = new double[1];
        double cpuBefore = cpu();

        processor.subscribe(List.of(a[1]));
        processor.poll(context -> {
            var record = context.getSingleConsumerRecord();
            if (began.compareAndSet(0, System.nanoTime())) {
                firstAt[0] = System.currentTimeMillis() / 1000.0 - spawned;
                first.countDown();
            }
            if (sleep > 0) {
                if (!busy.add(record.key())) violations.incrementAndGet();
                Long before = last.put(record.key(), record.offset());
                if (before != null && before >= record.offset()) violations.incrementAndGet();
                peak.accumulateAndGet(running.incrementAndGet(), Math::max);
                try {
                    Thread.sleep(sleep);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                running.decrementAndGet();
                busy.remove(record.key());
            }
            if (done.incrementAndGet() == count) all.countDown();
        });
        if (!first.await(60, TimeUnit.SECONDS)) {
            System.out.println("failed \"no record came within 60 s\"");
            Runtime.getRuntime().halt(1);
        }
        System.out.println("first " + firstAt[0]);
        all.await((long) (limit * 1000), TimeUnit.MILLISECONDS);
        double seconds = (System.nanoTime() - began.get()) / 1e9;
        long events = done.get();
        System.out.printf(
                Locale.ROOT,
                "result {\"events\": %d, \"seconds\": %f, \"rate\": %f, \"cpu_us\": %f, \"rss\": %f, \"peak\": %d,"
                        + " \"violations\": %d, \"first\": %f, \"samples\": []}%n",
                events, seconds, events / seconds, (cpu() - cpuBefore) / events * 1e6, rss(), peak.get(),
                violations.get(), firstAt[0]);
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    static double cpu() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getProcessCpuTime() / 1e9;
    }

    static double rss() throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/status")))
            if (line.startsWith("VmHWM:")) return Integer.parseInt(line.replaceAll("[^0-9]", "")) / 1024.0;
        return 0;
    }
}
